"""Lists and tables of photographs, as people's programs write them."""

import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from photos import encoded, texture, write

from lodisc.data.photo import Photo
from lodisc.data.sources import find_photos
from lodisc.data.tables import read_table, with_guard
from lodisc.errors import UserError

JPEG = encoded(texture(0))
NAMES = ["Grünfink/0.jpg", "Grünfink/1.jpg", "wren/0.jpg"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in NAMES:
        write(tmp_path / name, JPEG)
    return tmp_path


def labels(listed: list[Photo]) -> dict[str, str | None]:
    return {photo.key: photo.label for photo in listed}


def rows_of(path: Path, text: str, encoding: str = "utf-8") -> list[dict[str, str]]:
    path.write_bytes(text.encode(encoding))
    return [row.cells for row in read_table(path, columns=[{"path"}])]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_separator_and_encoding(
    photos: Path, separator: str, encoding: str, end: str
) -> None:
    lines = [["path", "label"], *([name, name.split("/")[0]] for name in NAMES)]
    text = end.join(separator.join(line) for line in lines) + end
    (photos / "list.csv").write_bytes(text.encode(encoding))
    assert labels(find_photos(photos / "list.csv").photos) == {
        name: name.split("/")[0] for name in NAMES
    }


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac-roman", "cp437"])
@pytest.mark.parametrize("kind", ["path", "label", "list"])
def test_another_encoding_is_named_and_nothing_is_read(
    photos: Path, encoding: str, kind: str
) -> None:
    lines = {
        "path": ["path,label", *(f"{name},bird" for name in NAMES)],
        "label": ["path,label", *(f"wren/0.jpg,{name.split('/')[0]}" for name in NAMES)],
        "list": NAMES,
    }[kind]
    name = "list.txt" if kind == "list" else "list.csv"
    (photos / name).write_bytes("\n".join(lines).encode(encoding))
    with pytest.raises(UserError, match=rf"{name}, line \d, is not UTF-8; save it as") as refused:
        find_photos(photos / name)
    assert "\n" not in str(refused.value)


def test_a_name_on_disk_that_is_no_text_can_be_listed(tmp_path: Path) -> None:
    name = os.fsdecode(b"latin-\xe9.jpg")
    write(tmp_path / name, JPEG)
    (tmp_path / "list.txt").write_bytes(b"latin-\xe9.jpg\n")
    assert [photo.key for photo in find_photos(tmp_path / "list.txt").photos] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\npath;label\na.jpg;x\n",
        "# drawn in May\n\n#again\npath,label\na.jpg,x\n",
        '"path","label"\n"a.jpg","x"\n',
        "PATH , Label \na.jpg,x\n\n,\n",
        "label\tnote\tfile_name\nx\t1, 2\ta.jpg\n",
        "id,image,species\n7,a.jpg,x\n",
        "filename;class\na.jpg;x",
        "File Name,Kingdom,Class,Species\na.jpg,Animalia,Aves,x\n",
        "folder,path,label\nsomewhere,a.jpg,x\n",
        "#path,label\na.jpg,x\n",
        "# path\tlabel\na.jpg\tx\n",
        '"path";"label";"note"\n"a.jpg";"x";"5"" long, 2"\n',
        "\ufeff\ufeffpath,label\na.jpg,x\n",
        "\u202apath,\u00a0label\u2069\na.jpg,x\n",
        "path,label\na.jpg,x, ,\n",
        "path,label\na.jpg,x\n\x1a",
        "path,label\r\na.jpg,x\r\n\0\0\0",
    ],
)
def test_what_stands_around_the_cells(tmp_path: Path, text: str) -> None:
    assert rows_of(tmp_path / "t.csv", text) == [{"path": "a.jpg", "label": "x"}]


def test_of_two_columns_for_one_thing_the_usual_one_counts(tmp_path: Path) -> None:
    text = "species,image,path,label\nTroglodytes,no.jpg,a.jpg,wren\n"
    assert rows_of(tmp_path / "t.csv", text) == [{"path": "a.jpg", "label": "wren"}]


@pytest.mark.parametrize(
    ("genus", "species", "label"),
    [
        ("Uria", "aalge", "Uria aalge"),
        ("Uria", "Uria aalge", "Uria aalge"),
        (" larus ", "Larus argentatus", "Larus argentatus"),
        ("", "aalge", "aalge"),
        ("Uria", "", ""),
        ("Panthera", "P. leo", "P. leo"),
        ("Panthera", "p. leo", "p. leo"),
        ("Passer", "House Sparrow", "House Sparrow"),
        ("Uria", "uria aalge", "uria aalge"),
        ("Larus", "novae-hollandiae forsteri", "Larus novae-hollandiae forsteri"),
        ("Uria", "sp.", "Uria sp."),
        ("Quercus", "×rosacea", "Quercus ×rosacea"),
    ],
)
def test_a_genus_belongs_to_its_species(
    tmp_path: Path, genus: str, species: str, label: str
) -> None:
    text = f"file,genus,species\na.jpg,{genus},{species}\n"
    assert rows_of(tmp_path / "t.csv", text) == [{"path": "a.jpg", "label": label}]


def test_a_label_needs_no_genus(tmp_path: Path) -> None:
    text = "path,genus,species,label\na.jpg,Uria,aalge,murre\n"
    assert rows_of(tmp_path / "t.csv", text) == [{"path": "a.jpg", "label": "murre"}]


def test_half_a_letter_is_no_other_encoding(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("path,label\na.jpg,é".encode("utf-16")[:-1])
    with pytest.raises(UserError, match="is damaged UTF-16"):
        list(read_table(tmp_path / "t.csv", columns=[{"path"}]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,path\na,b\n", "the column path is there twice"),
        ("path,label\na,b,c\n", "line 2: more cells than columns"),
        ("PK\3\4 ...", "is a workbook; save it as “CSV UTF-8”"),
        ("RelativePath,File\na,b\n", "two columns, relativepath and file"),
        ("folder,file,label\na,b,c\n", "two columns, folder and file"),
        ("Directory;FileName\na;b\n", "two columns, directory and filename"),
        ('path,label,note\na,b,\nc,d,"open\ne,f,\n', "line 3: .* is a quote left open"),
        ('path,label\na,b\n"c"x,d\n', "line 3: .* is a quote left open"),
        ("path label\n1,a,b\n", "the first line must name its columns"),
        ("path,label\n1,a,b\n", "row.names = FALSE"),
        ("name,kind\na,b\n", "the first line must name its columns: path"),
        ("", "the first line must name its columns: path"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        rows_of(tmp_path / "t.csv", text)


def spelled(change: Callable[[str], str]) -> list[str]:
    return [change(name) for name in NAMES]


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name.replace("/", "\\"),
        lambda name: f'"{name}"',
        lambda name: f"  {name} ",
        lambda name: f"\u202a{name}\u202c",
        lambda name: f"\u2068{name}\u2069\u00a0",
        lambda name: f"./{name}",
        lambda name: f".\\{name}".replace("/", "\\"),
        lambda name: unicodedata.normalize("NFD", name),
        lambda name: unicodedata.normalize("NFD", name).replace("/", "\\"),
    ],
)
def test_paths_as_other_systems_write_them(photos: Path, change: Callable[[str], str]) -> None:
    (photos / "list.txt").write_text("# all\n" + "\n".join(spelled(change)) + "\n")
    listing = find_photos(photos / "list.txt")
    assert labels(listing.photos) == {name: name.split("/")[0] for name in NAMES}
    assert listing.skipped == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("D:\\wren\\0.jpg", "a path of Windows with its drive"),
        ("\\\\nas\\birds\\0.jpg", "a path of Windows with its drive"),
        ("Wren/0.JPG", "there is .*wren/0.jpg, in other case"),
        ("wren\\0.Jpg", "there is .*wren/0.jpg, in other case"),
        ("wren/9.jpg", "no such file or directory"),
        ("  wren/9.jpg 0", "no such file or directory"),
        ("#1/missing.jpg", "no such file or directory"),
        ("grünfink/0.JPG", "there is Grünfink/0.jpg, in other case"),
        (unicodedata.normalize("NFD", "grünfink/0.jpg"), "there is Grünfink/0.jpg, in other case"),
        ("wren/0.jpg great tit", "wren/0.jpg is there, but “great tit” follows it"),
        ("wren/0.jpg 0 train", "wren/0.jpg is there, but “0 train” follows it"),
        ("wren/0.jpg 0 # blurred", "wren/0.jpg is there, but “0 # blurred” follows it"),
        ("wren/0.jpg\u00a00", "wren/0.jpg is there, but “0” follows it"),
        ("wren/0.jpg|0", "wren/0.jpg is there, but “0” follows it"),
        ("wren great tit", "no such file or directory"),
        ("wren.jpg 0", "not a file"),
        ("7 wren/0.jpg", "wren/0.jpg is there; put it before its label"),
        ("0\t1.0\twren/0.jpg", "wren/0.jpg is there; put it before its label"),
    ],
)
def test_a_path_that_leads_nowhere_says_why(photos: Path, name: str, reason: str) -> None:
    (photos / "wren.jpg").mkdir()
    (photos / "list.txt").write_text(f"wren/0.jpg\n{name}\n")
    listing = find_photos(photos / "list.txt")
    assert len(listing.photos) == 1
    (skipped,) = listing.skipped
    assert re.search(reason, skipped.reason), skipped


@pytest.mark.parametrize("between", [" ", "\t", "  ", ",", "; "])
def test_a_label_may_follow_a_path(photos: Path, between: str) -> None:
    """As in the lists of many training scripts."""
    text = "".join(f"{name}{between}{number}\r\n" for number, name in enumerate(NAMES))
    (photos / "list.txt").write_text(f"# path label\n{text}")
    listing = find_photos(photos / "list.txt")
    expected = {name: str(number) for number, name in enumerate(NAMES)}
    assert labels(listing.photos) == expected and listing.skipped == []


@pytest.mark.parametrize(
    "line",
    ['"{}";"great tit"', '"{}","great tit"', "'{}' 'great tit'", '{} "great tit"', "{};great tit;"],
)
def test_quotes_and_separators_around_a_label_are_none_of_it(photos: Path, line: str) -> None:
    (photos / "list.txt").write_text("\n".join(map(line.format, NAMES)))
    assert labels(find_photos(photos / "list.txt").photos) == dict.fromkeys(NAMES, "great tit")


@pytest.mark.parametrize(
    "line",
    [
        "{};",
        "{},",
        "{}, ",
        "{};;",
        '{} ""',
        "# as wren/9.jpg 0\n{}",
        "  # as wren/9.jpg\n{}",
        "// see x.jpg 0\n{}",
        "#\n{}",
    ],
)
def test_folders_are_the_labels_where_no_row_has_one(photos: Path, line: str) -> None:
    (photos / "list.txt").write_text("\n".join(map(line.format, NAMES)))
    assert labels(find_photos(photos / "list.txt").photos) == {
        name: name.split("/")[0] for name in NAMES
    }


def test_rows_without_a_label_are_said(photos: Path) -> None:
    rows = "\n".join(NAMES)
    (photos / "list.txt").write_text(f"{rows} x")
    listing = find_photos(photos / "list.txt")
    assert labels(listing.photos) == {NAMES[0]: None, NAMES[1]: None, NAMES[2]: "x"}
    assert listing.notes == ["2 of 3 have no label in the list, so that they have none"]
    (photos / "list.csv").write_text(f"path,label\n{rows}\n")
    listing = find_photos(photos / "list.csv")
    assert {photo.label for photo in listing.photos} == {"Grünfink", "wren"}
    assert listing.notes == ["no row of the list has a label, so that folders tell it"]


def test_a_whole_line_may_be_a_path(photos: Path) -> None:
    for name in ("wren/2.jpg 2", "wren/1.jpg;", "wren/raw"):
        write(photos / name, JPEG)
    (photos / "list.txt").write_text("wren/2.jpg 2\nwren/0.jpg\nwren/1.jpg;\n")
    assert {photo.label for photo in find_photos(photos / "list.txt").photos} == {"wren"}
    (photos / "list.txt").write_text("wren/0.jpg 2\nwren/2.jpg 2\n")
    assert labels(find_photos(photos / "list.txt").photos) == {
        "wren/0.jpg": "2",
        "wren/2.jpg 2": None,
    }
    (photos / "list.txt").write_text("wren/raw 0")
    assert labels(find_photos(photos / "list.txt").photos) == {"wren/raw": "0"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('wren/0.jpg,"wren\nGrünfink/0.jpg,finch"', "line 2: the label .* has a line break; is a"),
        ('"wren/0.jpg,wren\nGrünfink/0.jpg",finch', "line 2: the path .* has a line break; is a"),
    ],
)
def test_a_cell_that_swallows_lines_is_refused(photos: Path, row: str, reason: str) -> None:
    (photos / "list.csv").write_text(f"path,label\n{row}\nGrünfink/1.jpg,finch\n")
    with pytest.raises(UserError, match=reason) as refused:
        find_photos(photos / "list.csv")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("label", "reason"),
    [(201 * "w", "a label has 201 characters"), ("w\0", "the label w.* control characters")],
)
@pytest.mark.parametrize("table", ["list.csv", "list.txt"])
def test_a_label_that_is_none_costs_its_row_alone(
    photos: Path, table: str, label: str, reason: str
) -> None:
    head = "path,label\n" * table.endswith("csv")
    listing = find_photos(
        write(photos / table, f"{head}wren/0.jpg,{label}\n{NAMES[0]},finch\n".encode())
    )
    assert labels(listing.photos) == {NAMES[0]: "finch"}
    (skipped,) = listing.skipped
    assert skipped.key == "wren/0.jpg" and re.match(reason, skipped.reason)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_folder_and_file_may_come_from_two_systems(
    tmp_path: Path, form: Literal["NFC", "NFD"]
) -> None:
    name = unicodedata.normalize("NFC", "Grünfink/") + unicodedata.normalize("NFD", "Zürich.jpg")
    write(tmp_path / name, JPEG)
    (tmp_path / "list.csv").write_text(f"path\n{unicodedata.normalize(form, name)}\n")
    assert [photo.key for photo in find_photos(tmp_path / "list.csv").photos] == [name]


def test_a_name_with_blanks_has_no_label(photos: Path) -> None:
    names = ["wren/0.jpg 2.jpg", "wren/0.jpg # blurred", "wren/0.jpg 0 1"]
    write(photos / names[0], (photos / "wren/0.jpg").read_bytes())
    (photos / "list.txt").write_text("\n".join([*names, '"wren/0.jpg" 7']))
    listing = find_photos(photos / "list.txt")
    assert labels(listing.photos) == {names[0]: None, "wren/0.jpg": "7"}
    assert [skipped.key for skipped in listing.skipped] == names[1:]


def test_lines_may_end_as_on_an_old_mac(photos: Path) -> None:
    (photos / "list.txt").write_bytes("\r".join(NAMES).encode())
    assert [photo.key for photo in find_photos(photos / "list.txt").photos] == NAMES


def test_a_whole_path_below_the_list_has_a_label(photos: Path) -> None:
    (photos / "list.txt").write_text("\n".join(str(photos / name) for name in NAMES))
    assert labels(find_photos(photos / "list.txt").photos) == {
        name: name.split("/")[0] for name in NAMES
    }


def test_a_list_may_be_reached_by_a_link(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    link = tmp_path_factory.mktemp("links") / "birds"
    link.symlink_to(photos)
    (photos / "list.txt").write_text(f"{photos}/wren/0.jpg\n{link}/wren/0.jpg\nwren/0.jpg\n")
    for source in (photos, link):
        listing = find_photos(source / "list.txt")
        assert labels(listing.photos) == {"wren/0.jpg": "wren"}
        assert [skipped.reason for skipped in listing.skipped] == ["named twice"] * 2


@pytest.mark.parametrize("name", ["all.txt", "all.csv"])
@pytest.mark.parametrize("is_relative", [False, True])
def test_a_list_may_lie_outside_the_data(tmp_path: Path, name: str, is_relative: bool) -> None:
    keys = [f"{part}/{kind}/0.jpg" for part in ("test", "train") for kind in ("finch", "wren")]
    for key in keys:
        write(tmp_path / "data" / key, JPEG)
    around = "../data" if is_relative else str(tmp_path / "data")
    rows = [f"{around}/{key}" for key in keys]
    write(tmp_path / "lists" / name, "\n".join(["path"] * name.endswith("csv") + rows).encode())
    listing = find_photos(tmp_path / "lists" / name)
    assert [(photo.key, f"{photo.split}/{photo.label}/0.jpg") for photo in listing.photos] == list(
        zip(rows, keys, strict=True)
    )


def test_photographs_outside_beside_others_are_said(photos: Path) -> None:
    write(photos / "beside/owl/0.jpg", JPEG)
    write(photos / "in/wren/0.jpg", JPEG)
    listing = find_photos(write(photos / "in/list.txt", b"wren/0.jpg\n../beside/owl/0.jpg\n"))
    assert labels(listing.photos) == {"wren/0.jpg": "wren", "../beside/owl/0.jpg": None}
    assert listing.notes == ["1 outside the folder of the list: their folders are not asked"]


def test_a_column_called_set_divides_only_if_it_says_so(photos: Path) -> None:
    for names, splits in (("train", "val"), {"train", "test"}), (("Site 4", "train"), {None}):
        rows = "".join(f"{name},{value}\n" for name, value in zip(NAMES, names, strict=False))
        (photos / "list.csv").write_text(f"path,set\n{rows}")
        listing = find_photos(photos / "list.csv")
        assert {photo.split for photo in listing.photos} == splits
        assert any("Site 4 beside train or test" in note for note in listing.notes) == (
            splits == {None}
        )


@pytest.mark.parametrize(
    "name", ["set", "subset", "fold", "Partition", "phase", "data split", "split,set"]
)
def test_a_split_by_any_usual_name(photos: Path, name: str) -> None:
    empty = "," * name.count(",")
    table = f"path,{name}\n{NAMES[0]},{empty}train\n{NAMES[2]},{empty}test\n"
    listing = find_photos(write(photos / "list.csv", table.encode()))
    assert [photo.split for photo in listing.photos] == ["train", "test"]


def test_a_fold_that_is_a_number_divides_nothing(photos: Path) -> None:
    table = f"path,fold\n{NAMES[0]},0\n{NAMES[2]},1\n"
    listing = find_photos(write(photos / "list.csv", table.encode()))
    assert {photo.split for photo in listing.photos} == {None} and listing.notes == []


def test_a_photograph_in_two_parts_is_said(photos: Path) -> None:
    rows = "wren/0.jpg,wren,train\nwren/0.jpg,wren,test\nwren/0.jpg,owl,test\n"
    (photos / "list.csv").write_text(f"path,label,split\n{rows}")
    assert [skipped.reason for skipped in find_photos(photos / "list.csv").skipped] == [
        "named twice, with another label and another split",
        "named twice, with another split",
    ]


def test_a_photograph_with_two_labels_is_said(photos: Path) -> None:
    (photos / "list.csv").write_text("path,label\nwren/0.jpg,wren\nwren/0.jpg,owl\n")
    (skipped,) = find_photos(photos / "list.csv").skipped
    assert skipped.reason == "named twice, with another label"


def test_labels_are_one_whatever_their_accents_are_made_of(photos: Path) -> None:
    write(photos / unicodedata.normalize("NFD", "Grünfink") / "2.jpg", JPEG)
    assert {photo.label for photo in find_photos(photos).photos} == {"Grünfink", "wren"}


@given(st.text(alphabet="=+-@＝＠';\"\t\r\n x\u00a0\u3000\u200b"))
@example('x;"=1+1;y')
@example("＝1+1")
@example("－1;＋1;＠sum")
@example("\u00a0=1+1")
@example("\ufeff\u2060=1+1")
def test_no_cell_is_a_formula_and_every_cell_comes_back(text: str) -> None:
    written = with_guard(text)
    for cell in re.split("[;\t\r\n]", written):
        # Without a guard, blanks, quotes and what is invisible would let a formula begin
        plain = cell.lstrip(' "\u00a0\u3000\u200b\u2060\ufeff')
        assert not plain.startswith(tuple("=+-@＝＋－＠"))
    from lodisc.data.tables import _without_guard

    assert _without_guard(written) == text
