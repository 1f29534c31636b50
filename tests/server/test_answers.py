"""Answers that the original gives and its record does not show, as requests and what they get."""

from __future__ import annotations

import json
from typing import Any

import httpx2 as httpx
import pytest

from .running import Running, completed, created, picture, uploaded

NOTHING = 999_999_999  # the id of nothing
OPEN = {"OPTIONS", "GET", "HEAD"}
INVALID = "Input payload validation failed"


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def bob(server: Running) -> httpx.Client:
    return server.user("bob")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    return created(admin, "answers", categories=["answered"])


@pytest.fixture(scope="module")
def image(admin: httpx.Client, dataset: int) -> int:
    return int(uploaded(admin, dataset, "one.jpg").json())


def allowed(answer: httpx.Response) -> set[str]:
    return set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("PUT", "/api/info/", set()),
        ("PUT", "/api/dataset/", {"POST"}),
        ("PATCH", "/api/dataset/1", {"POST", "DELETE"}),
        ("POST", "/api/category/1", {"PUT", "DELETE"}),
        ("DELETE", "/api/user/login", {"POST"}),
    ],
)
def test_a_wrong_method_is_told_all_right_ones(
    server: Running, method: str, path: str, more: set[str]
) -> None:
    """405 with a message, and with every method of the path in Allow, as OPTIONS lists them."""
    answer = server.client().request(method, path)
    assert answer.status_code == 405
    assert answer.json() == {"message": "The method is not allowed for the requested URL."}
    assert allowed(answer) == OPEN | more
    assert allowed(server.client().options(path)) == OPEN | more


@pytest.mark.parametrize("path", ["/api/nothing", "/api/category/abc", "/api/image/1/", "/nothing"])
def test_a_path_that_is_none_takes_get_only(server: Running, path: str) -> None:
    """Where there is no route, 404 for GET and HEAD, 405 in HTML for others; OPTIONS says it."""
    client = server.client()
    for method in ("GET", "HEAD"):
        assert client.request(method, path).status_code == 404
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["content-type"].startswith("text/html")
        assert allowed(answer) == OPEN
    answer = client.options(path)
    assert (answer.status_code, allowed(answer)) == (200, OPEN)


@pytest.mark.parametrize("path", ["/api/user/login", "/api/dataset/1", "/api/undo/"])
def test_what_cannot_be_read_is_not_found(server: Running, path: str) -> None:
    """GET and HEAD of a path that only takes others: 404, as of no path."""
    answer = server.client().get(path)
    assert answer.status_code == 404
    assert "<title>404 Not Found</title>" in answer.text
    assert server.client().head(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/info", 308),
        ("OPTIONS", "/api/info", 308),
        ("POST", "/api/info", 405),
        ("POST", "/api/dataset", 308),
        ("PUT", "/api/dataset", 405),
        ("PATCH", "/api/admin/user", 405),
    ],
)
def test_a_missing_slash_is_redirected_where_that_leads_on(
    server: Running, method: str, path: str, status: int
) -> None:
    """A method that the path with its last slash does not take either is refused at once."""
    answer = server.client().request(method, path)
    assert answer.status_code == status
    if status == 308:
        assert answer.headers["Location"] == f"{server.url}{path}/"
    else:
        assert answer.json()["message"]


def test_a_page_of_another_origin_is_told_methods_and_no_headers(server: Running) -> None:
    """A browser that asks first is told the methods; no header, so that it lets no JSON through."""
    asked = {
        "Origin": "http://a.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = server.client().options("/api/user/register", headers=asked)
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Headers" not in answer.headers
    # Who does not ask is told nothing.
    plain = server.client().options("/api/user/register")
    assert "Access-Control-Allow-Methods" not in plain.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "answered"),
    [
        ("GET", f"/api/category/{NOTHING}", None, {"success": False}),
        ("GET", f"/api/image/{NOTHING}", None, {"success": False}),
        ("POST", "/api/undo/", {"id": 1, "instance": "x"}, {"message": "Instance not found"}),
        ("DELETE", "/api/undo/", {"id": 1, "instance": "x"}, {"message": "Instance not found"}),
        (
            "POST",
            "/api/user/password",
            {"password": "wrong", "new_password": "new"},
            {"success": False, "message": "Password does not match current passowrd"},
        ),
    ],
)
def test_refusals_have_the_contracts_form(
    admin: httpx.Client, method: str, path: str, body: Any, answered: dict[str, Any]
) -> None:
    """What is wrong is said in the words and keys that clients of the original look for."""
    answer = admin.request(method, path, json=body)
    assert (answer.status_code, answer.json()) == (400, answered)


def test_uploads_are_refused_in_the_contracts_words(admin: httpx.Client, dataset: int) -> None:
    """A name that is taken, a dataset that is not there, and one that is not said."""
    assert uploaded(admin, dataset, "taken.jpg").status_code == 200
    answer = uploaded(admin, dataset, "taken.jpg")
    assert (answer.status_code, answer.json()) == (400, {"message": "file already exists"})
    answer = uploaded(admin, NOTHING, "other.jpg")
    assert (answer.status_code, answer.json()) == (400, {"message": "dataset does not exist"})
    file = ("other.jpg", picture(), "image/jpeg")
    answer = admin.post("/api/image/", files={"image": file})
    where = "the JSON body or the post body or the query string"
    missing = f"Id of dataset to insert image into Missing required parameter in {where}"
    assert answer.json() == {"errors": {"dataset_id": missing}, "message": INVALID}


def test_a_name_may_stand_anywhere_and_categories_in_json_only(admin: httpx.Client) -> None:
    """JSON goes before the query and that before the form; only JSON names categories."""

    def made(path: str, **sent: Any) -> dict[str, Any]:
        answer = admin.post(f"/api/dataset/{path}", **sent)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert made("?name=by%20query", data={"name": "by form"})["name"] == "by query"
    assert made("?name=by-query", json={"name": "by json"})["name"] == "by json"
    assert made("?name=plain&categories=no")["categories"] == []
    assert made("", data={"name": "form", "categories": "no"})["categories"] == []
    names = {category["name"] for category in admin.get("/api/category/").json()}
    assert "no" not in names


def test_numbers_are_taken_for_texts(server: Running, admin: httpx.Client) -> None:
    """A name, a colour or a password of digits, sent as a number, is what it reads as."""
    assert admin.post("/api/category/", json={"name": 2024}).json()["name"] == "2024"
    given = {"username": 4711, "password": 1234}
    answer = server.client().post("/api/user/register", json=given)
    assert answer.json()["user"]["username"] == "4711"
    again = {"username": "4711", "password": "1234"}
    assert server.client().post("/api/user/login", json=again).status_code == 200
    for wrong in (True, [1], {"a": 1}):
        answer = admin.post("/api/category/", json={"name": wrong})
        assert answer.json()["errors"] == {"name": "name must be a text"}


def test_a_renamed_category_keeps_its_metadata(admin: httpx.Client) -> None:
    """A change erases what it leaves out, but for the metadata, which it does not change at all."""
    given = {"name": "with metadata", "supercategory": "s", "metadata": {"k": 1}}
    number = admin.post("/api/category/", json=given).json()["id"]
    for metadata in ({}, {"metadata": {"other": 2}}):
        renamed = {"name": f"renamed {len(metadata)}"} | metadata
        assert admin.put(f"/api/category/{number}", json=renamed).json() == {"success": True}
        found = admin.get(f"/api/category/{number}").json()
        assert (found["metadata"], found["supercategory"]) == ({"k": 1}, "")


def test_the_list_of_deleted_things_has_a_length(admin: httpx.Client) -> None:
    """Fifty without a limit; a limit below one is one; a type that is none lists nothing."""
    for number in range(52):
        made = admin.post("/api/category/", json={"name": f"deleted {number}"}).json()["id"]
        admin.delete(f"/api/category/{made}")

    def length(**asked: Any) -> int:
        return len(admin.get("/api/undo/list/", params=asked).json())

    assert (length(), length(limit=51), length(limit=5000) > 51) == (50, 51, True)
    assert [length(limit=limit) for limit in (0, -1, 1)] == [1, 1, 1]
    assert (length(type=""), length(type="images")) == (0, 0)


def test_the_id_is_always_among_the_fields(admin: httpx.Client, image: int) -> None:
    """Fields that the list never shows are no mistake; what is no field is one."""

    def keys(fields: str) -> list[str]:
        return list(admin.get("/api/image/", params={"fields": fields}).json()["images"][0])

    assert keys("path") == ["id", "path"]
    assert keys("license,width,date_captured,deleted_date") == ["id", "width"]
    assert keys("_id") == ["id"]
    assert admin.get("/api/image/?fields=id,,path").status_code == 400


def test_an_images_file_says_that_there_are_no_keypoints(
    admin: httpx.Client, dataset: int, image: int
) -> None:
    """An image as COCO has empty keypoints where a dataset as COCO leaves them out."""
    outline = [[1, 1, 9, 1, 9, 9]]
    category = admin.get(f"/api/dataset/{dataset}/data").json()["categories"][0]["id"]
    given = {"image_id": image, "category_id": category, "segmentation": outline}
    assert admin.post("/api/annotation/", json=given).status_code == 200
    (one,) = admin.get(f"/api/image/{image}/coco").json()["annotations"]
    assert one["keypoints"] == []
    assert "num_keypoints" not in one
    (whole,) = admin.get(f"/api/dataset/{dataset}/coco").json()["annotations"]
    assert "keypoints" not in whole


def test_ids_of_categories_to_export_are_all_there(admin: httpx.Client, dataset: int) -> None:
    """A comma too many is refused; nothing at all means every category."""
    assert admin.get(f"/api/dataset/{dataset}/export?categories=").status_code == 200
    completed(admin)
    made = admin.get(f"/api/dataset/{dataset}/exports").json()[0]["id"]
    name = admin.get(f"/api/export/{made}/download").headers["Content-Disposition"]
    assert name == "attachment; filename=answers-COCO-answered.json"
    for text in (",", "1,", ",1"):
        answer = admin.get(f"/api/dataset/{dataset}/export", params={"categories": text})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["categories"])


def test_a_session_at_an_annotation_says_what_it_is(
    admin: httpx.Client, dataset: int, image: int
) -> None:
    """An event is named as the original names it; fields in its order."""
    category = admin.get(f"/api/dataset/{dataset}/data").json()["categories"][0]["id"]
    made = admin.post("/api/annotation/", json={"image_id": image, "category_id": category}).json()
    session = {"start": 1_700_000_000_000, "milliseconds": 15, "tools": ["Brush"]}
    annotation = {"id": made["id"], "sessions": [session]}
    page = {
        "image": {"id": image},
        "dataset": {"id": dataset},
        "categories": [{"id": category, "annotations": [annotation]}],
    }
    assert admin.post("/api/annotator/data", json=page).status_code == 200
    (event,) = admin.get(f"/api/annotation/{made['id']}").json()["events"]
    assert list(event.items()) == [
        ("_cls", "SessionEvent"),
        ("created_at", {"$date": 1_700_000_000_000}),
        ("user", "admin"),
        ("milliseconds", 15),
        ("tools_used", ["Brush"]),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/api/dataset/",
        "/api/image/",
        "/api/category/data",
        f"/api/annotation/{NOTHING}",
        f"/api/annotator/data/{NOTHING}",
    ],
)
def test_who_works_with_datasets_is_seen(server: Running, path: str) -> None:
    """The first such request of a user shows in the next one; signing in alone does not."""
    name = f"seen{abs(hash(path)) % 10**9}"
    client = server.user(name)
    before = client.get("/api/user/").json()["user"]
    assert "last_seen" not in before
    client.get("/api/tasks/")
    assert "last_seen" not in client.get("/api/user/").json()["user"]
    client.get(path)
    after = client.get("/api/user/").json()["user"]
    assert list(after) == [
        *("id", "username", "online", "last_seen", "is_admin", "preferences", "permissions")
    ]
    assert list(after["last_seen"]) == ["$date"]


def test_who_changed_the_password_is_told_apart(server: Running, admin: httpx.Client) -> None:
    """A user's record says `new`: false from the change on, wherever it is shown."""
    client = server.user("changing")
    assert "new" not in client.get("/api/user/").json()["user"]
    given = {"password": "changing-pw", "new_password": "changing-pw"}
    assert client.post("/api/user/password", json=given).json() == {"success": True}
    assert client.get("/api/user/").json()["user"]["new"] is False
    assert admin.get("/api/admin/user/changing").json()["new"] is False
    members = client.get(f"/api/dataset/{created(client, 'changed')}/users").json()
    assert [member["new"] for member in members] == [False]
    untouched = server.user("untouched")
    members = untouched.get(f"/api/dataset/{created(untouched, 'as before')}/users").json()
    assert "new" not in members[0]


def test_the_description_is_at_the_root_of_the_api(server: Running) -> None:
    """`/api/` shows the page that describes the routes, and `/api` leads there."""
    answer = server.client().get("/api/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.content == server.client().get("/api/docs").content
    assert server.client().get("/api").headers["Location"] == f"{server.url}/api/"


def test_what_an_administrator_made_is_answered(server: Running, admin: httpx.Client) -> None:
    """Making a user answers the new user; a flag that is none is named as it was sent."""
    answer = admin.post("/api/admin/user/", json={"username": "madeuser", "password": "pw"})
    assert answer.json()["user"]["username"] == "madeuser"
    for flag in ("isAdmin", "is_admin"):
        wrong = {"username": "other", "password": "pw", flag: "yes"}
        errors = admin.post("/api/admin/user/", json=wrong).json()["errors"]
        assert errors == {flag: f"{flag} must be true or false"}


def test_who_only_sees_a_category_cannot_change_it(admin: httpx.Client, bob: httpx.Client) -> None:
    """403 for a category of somebody else that one's own dataset uses."""
    number = admin.post("/api/category/", json={"name": "of admin"}).json()["id"]
    created(bob, "uses it", categories=["of admin"])
    assert bob.get(f"/api/category/{number}").status_code == 200
    assert bob.put(f"/api/category/{number}", json={"name": "taken"}).status_code == 403


def test_a_dataset_is_shared_with_users_that_there_are(admin: httpx.Client, dataset: int) -> None:
    """A name that nobody has is refused, and nothing changes."""
    answer = admin.post(f"/api/dataset/{dataset}/share", json={"users": ["nobody at all"]})
    assert answer.status_code == 400
    assert "nobody at all" in answer.json()["message"]


def test_a_posted_annotation_keeps_what_was_sent(
    admin: httpx.Client, dataset: int, image: int
) -> None:
    """Colour and metadata are those sent, the metadata over the dataset's default."""
    change = {"default_annotation_metadata": {"quality": "?", "from": "default"}}
    assert admin.post(f"/api/dataset/{dataset}", json=change).status_code == 200
    given = {"image_id": image, "color": "#012345", "metadata": {"quality": "good"}}
    made = admin.post("/api/annotation/", json=given).json()
    assert made["color"] == "#012345"
    assert made["metadata"] == {"quality": "good", "from": "default"}
    # What a dataset's metadata begins with does not reach into those there are.
    first = admin.get("/api/annotation/").json()[0]
    assert "from" not in first["metadata"]


# What the original's page sends with its saves, which are JSON, and what others would.
PAGE = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}


@pytest.mark.parametrize("kind", [PAGE, TEXT, {}], ids=["form", "text", "nothing"])
def test_a_saved_page_is_json_whatever_it_calls_itself(
    server: Running, admin: httpx.Client, dataset: int, image: int, kind: dict[str, str]
) -> None:
    """A save that calls itself a form, as the original's page does, is read; an address that is
    sent with it is not kept."""
    page = {
        "image": {"id": image, "metadata": {"sent": str(kind)}},
        "dataset": {"id": dataset, "annotate_url": "http://a.example"},
    }
    ours = {"Origin": server.url}
    for more in ({}, ours, ours | {"Sec-Fetch-Site": "same-origin"}):
        content = json.dumps(page).encode()
        answer = admin.post("/api/annotator/data", content=content, headers=kind | more)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
    loaded = admin.get(f"/api/annotator/data/{image}").json()
    assert loaded["image"]["metadata"] == {"sent": str(kind)}
    assert loaded["dataset"]["annotate_url"] == ""
    answer = admin.post("/api/annotator/data", content=b"{'image': 1}", headers=kind)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_place_saves_nothing(
    admin: httpx.Client, image: int, elsewhere: dict[str, str]
) -> None:
    """JSON that calls itself something else is refused where a browser says that a page of
    another origin sent it; what calls itself JSON a browser would have asked about before."""
    content = json.dumps({"image": {"id": image, "metadata": {"from": "elsewhere"}}}).encode()
    for kind in (PAGE, TEXT, {}):
        answer = admin.post("/api/annotator/data", content=content, headers=kind | elsewhere)
        assert (answer.status_code, "site" in answer.json()["message"]) == (403, True)
    loaded = admin.get(f"/api/annotator/data/{image}").json()
    assert loaded["image"]["metadata"] != {"from": "elsewhere"}


def test_a_list_of_names_may_be_one_name(admin: httpx.Client) -> None:
    """A text in place of a list is one name, not its letters; a name twice counts once."""
    number = created(admin, "one name", categories="lonely")
    found = admin.get(f"/api/dataset/{number}/data").json()
    assert [category["name"] for category in found["categories"]] == ["lonely"]
    change = {"categories": ["lonely", "lonely"]}
    assert admin.post(f"/api/dataset/{number}", json=change).status_code == 200
    assert len(admin.get(f"/api/dataset/{number}/data").json()["dataset"]["categories"]) == 1
    given = {"name": "labelled", "keypoint_labels": "head"}
    assert admin.post("/api/category/", json=given).json()["keypoint_labels"] == ["head"]
    wrong = {"image_id": 1, "keypoints": "abc"}
    assert admin.post("/api/annotation/", json=wrong).status_code == 400


def test_long_addresses_are_taken(server: Running) -> None:
    """An e-mail address may have more than 30 characters."""
    email = f"{'x' * 40}@example.org"
    given = {"username": "longmail", "password": "pw", "email": email}
    answer = server.client().post("/api/user/register", json=given)
    assert answer.json()["user"]["email"] == email


def test_a_copy_took_no_time(admin: httpx.Client, dataset: int) -> None:
    """Copied annotations begin with no time spent, and all that are counted are there."""
    first, second = (
        int(uploaded(admin, dataset, f"copy {number}.jpg").json()) for number in range(2)
    )
    category = admin.get(f"/api/dataset/{dataset}/data").json()["categories"][0]["id"]
    made = admin.post("/api/annotation/", json={"image_id": first, "category_id": category}).json()
    session = {"start": 1_700_000_000_000, "milliseconds": 15, "tools": []}
    annotations = [{"id": made["id"], "sessions": [session]}]
    page = {
        "image": {"id": first},
        "dataset": {"id": dataset},
        "categories": [{"id": category, "annotations": annotations}],
    }
    assert admin.post("/api/annotator/data", json=page).status_code == 200
    answer = admin.post(f"/api/image/copy/{first}/{second}/annotations")
    assert answer.json() == {"annotations_created": 1}
    shown = admin.get(f"/api/annotator/data/{second}").json()["categories"][0]["annotations"]
    assert [one["milliseconds"] for one in shown] == [0]
