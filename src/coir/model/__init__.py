"""The values that a server's answers are decoded into; they have no behaviour."""

from coir.model.annotation import (
    Annotation,
    AnnotatorCategory,
    AnnotatorData,
    AnnotatorImage,
    AnnotatorPermissions,
    ImageInfo,
    ImagePage,
    ImagePermissions,
)
from coir.model.category import CategoryInfo, CategoryPage
from coir.model.coco import Coco, CocoAnnotation, CocoCategory, CocoImage
from coir.model.dataset import (
    Averages,
    DatasetInfo,
    DatasetPage,
    DatasetSummary,
    Deleted,
    Export,
    Permissions,
    Statistics,
    Totals,
    UserTotals,
)
from coir.model.listing import Annotating, Details, DetailsPage, IdList, Image, ImageId, Page, Row
from coir.model.page import Pagination
from coir.model.server import Job, Moment, ObjectId, ServerInfo, Started, User, UserPage, Version

__all__ = [
    "Annotating",
    "Annotation",
    "AnnotatorCategory",
    "AnnotatorData",
    "AnnotatorImage",
    "AnnotatorPermissions",
    "Averages",
    "CategoryInfo",
    "CategoryPage",
    "Coco",
    "CocoAnnotation",
    "CocoCategory",
    "CocoImage",
    "DatasetInfo",
    "DatasetPage",
    "DatasetSummary",
    "Deleted",
    "Details",
    "DetailsPage",
    "Export",
    "IdList",
    "Image",
    "ImageId",
    "ImageInfo",
    "ImagePage",
    "ImagePermissions",
    "Job",
    "Moment",
    "ObjectId",
    "Page",
    "Pagination",
    "Permissions",
    "Row",
    "ServerInfo",
    "Started",
    "Statistics",
    "Totals",
    "User",
    "UserPage",
    "UserTotals",
    "Version",
]
