"""The calls of a server in groups: one method for each route, for both kinds of server."""

from coir.client.operations.account import Account
from coir.client.operations.admin import Admin
from coir.client.operations.annotations import Annotations
from coir.client.operations.annotator import Annotator
from coir.client.operations.categories import Categories
from coir.client.operations.dataset import DatasetCalls
from coir.client.operations.exports import Exports
from coir.client.operations.images import Images
from coir.client.operations.jobs import Jobs
from coir.client.operations.models import Models
from coir.client.operations.tokens import Tokens
from coir.client.operations.undo import Undo

__all__ = [
    "Account",
    "Admin",
    "Annotations",
    "Annotator",
    "Categories",
    "DatasetCalls",
    "Exports",
    "Images",
    "Jobs",
    "Models",
    "Tokens",
    "Undo",
]
