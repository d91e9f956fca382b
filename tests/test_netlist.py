"""Reading a netlist's text: nothing is lost, every card and directive is found, numbers can be replaced."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analogpnn.errors import NetlistError
from analogpnn.netlist.directives import output_nodes
from analogpnn.netlist.flatten import flatten
from analogpnn.netlist.netlist import Netlist

TEXT = """* Divider: a title
*@ input  V1            ; what the data drive
*@ output v(out) v( out , in )
V1 in 0 DC 0.5 $ the source
R1 in
* a comment between
+ out 1k ; upper
+
R2 out 0 2k tc1=1m, tc2=2u // lower
.model dm d(is=1e-14
+ n=1)
D1 out 0 dm 2
*@ train R* min=0.1u max = 10u
.op
.control
run
R9 this is no card
.endc
.end
R3 nor is this
"""


def cards(text, **where):
    return [card.text for card in Netlist.from_text(text, **where).cards]


def test_cards():
    assert cards(TEXT) == [
        "V1 in 0 DC 0.5",
        "R1 in out 1k",
        "R2 out 0 2k tc1=1m, tc2=2u",
        ".model dm d(is=1e-14 n=1)",
        "D1 out 0 dm 2",
        ".op",
    ]
    netlist = Netlist.from_text(TEXT)
    assert netlist.text == TEXT
    assert netlist.title == "Divider: a title"
    assert [card.line for card in netlist.cards] == [4, 5, 9, 10, 12, 14]
    assert [note.partition(":")[0] for note in netlist.notes] == ["line 15", "line 20"]


def test_directives():
    found = [(d.word, d.arguments, d.options, d.line) for d in Netlist.from_text(TEXT).directives]
    assert found == [
        ("input", ("v1",), {}, 2),
        ("output", ("v(out)", "v(out,in)"), {}, 3),
        ("train", ("r*",), {"min": "0.1u", "max": "10u"}, 13),
    ]
    assert output_nodes("v(out,in)") == ("out", "in")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("*@ trian R*", "Did you mean '*@ train'"),
        ("*@", "without a word"),
        ("*@ output out", "is no output"),
        ("*@ train", "names nothing"),
        ("*@ train R* min=", "between a name and a value"),
        ("*@ output v(a) what is measured", "is no output"),
    ],
)
def test_wrong_directives(line, words):
    with pytest.raises(NetlistError) as caught:
        Netlist.from_text(f"title\n{line}\n", path="x.cir")
    assert words in str(caught.value)
    assert (caught.value.path, caught.value.line) == ("x.cir", 2)


def test_a_task_keeps_its_case():
    task = Netlist.from_text("t\n*@ task Data/Iris.csv Target='Last column'\n").directives[0]
    assert (task.arguments, task.options) == (("Data/Iris.csv",), {"target": "Last column"})


def test_the_first_line_is_the_title_also_when_it_looks_like_an_element():
    netlist = Netlist.from_text("R1 a b 1k\nR2 a 0 1k\n")
    assert netlist.title == "R1 a b 1k"
    assert [card.text for card in netlist.cards] == ["R2 a 0 1k"]
    assert "line 1 is the title" in netlist.notes[0]


def test_a_continuation_of_nothing():
    with pytest.raises(NetlistError, match="continuation"):
        Netlist.from_text("title\n+ 1k\n")


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.rstrip().encode(),
        "title with µ in latin-1\nR1 a 0 1k ; 5 µm\n".encode("latin-1"),
        "\ufefftitle µ\r\nR1 a 0 1k\n\n\n".encode(),
        b"",
        b"\n",
        b"only a title",
    ],
)
def test_files_come_back_byte_for_byte(tmp_path, data):
    (tmp_path / "a.cir").write_bytes(data)
    netlist = Netlist.from_file(tmp_path / "a.cir")
    netlist.to_file(tmp_path / "b.cir")
    assert (tmp_path / "b.cir").read_bytes() == data
    if data.count(b"R2"):
        assert len(netlist.cards) == 6


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text("RVCX01 abk.\n\r+*@;$(){}='\"\t", max_size=80).map(str.encode)))
def test_any_bytes_come_back_or_are_a_netlist_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "soup.cir"
    path.write_bytes(data)
    try:
        netlist = Netlist.from_file(path)
    except NetlistError as error:
        assert str(error)
        return
    assert netlist.text.encode(netlist.encoding) == data
    for card in netlist.cards:  # every character of a card is where the card says it is
        for position in range(len(card.text)):
            spans = card.spans(position, position + 1)
            assert not spans or netlist.text[spans[0][0] : spans[0][1]] == card.text[position]


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "no.cir", tmp_path, "/dev/zero", "a\0b"):
        with pytest.raises(NetlistError, match="can't be read"):
            Netlist.from_file(path)


def test_include_is_relative_to_the_including_file(tmp_path):
    (tmp_path / "models" / "more").mkdir(parents=True)
    (tmp_path / "a.cir").write_text("top\n.include 'models/d.lib'\nR1 a 0 1k\n")
    (tmp_path / "models" / "d.lib").write_text('.model dm d is=1e-14\n.INC "more/r.lib" ; more\n')
    (tmp_path / "models" / "more" / "r.lib").write_text("R2 a 0 2k\n+ tc1=1m\n*@ output v(a)")
    netlist = Netlist.from_file(tmp_path / "a.cir")
    assert [card.text for card in netlist.cards] == [".model dm d is=1e-14", "R2 a 0 2k tc1=1m", "R1 a 0 1k"]
    assert netlist.cards[1].path.endswith("r.lib") and netlist.cards[1].line == 1
    assert netlist.directives[0].arguments == ("v(a)",)


@pytest.mark.parametrize("name", ["../secret.lib", "/etc/hostname", "sub/../../secret.lib", "link.lib"])
def test_include_stays_in_its_tree(tmp_path, name):
    inside = tmp_path / "project"
    (inside / "sub").mkdir(parents=True)
    (tmp_path / "secret.lib").write_text("R2 a 0 2k\n")
    os.symlink(tmp_path / "secret.lib", inside / "link.lib")
    (inside / "a.cir").write_text(f"top\nR1 a 0 1k\n.include {name}\n")
    with pytest.raises(NetlistError) as caught:
        Netlist.from_file(inside / "a.cir")
    assert "leaves the directory" in caught.value.what and "--allow-include" in caught.value.cure
    assert caught.value.line == 3
    if "etc" not in name:
        assert len(Netlist.from_file(inside / "a.cir", allow_include=[tmp_path]).cards) == 2


def test_include_errors(tmp_path):
    (tmp_path / "loop.cir").write_text("t\n.include loop2.cir\n")
    (tmp_path / "loop2.cir").write_text(".include loop2.cir\n")
    (tmp_path / "gone.cir").write_text("t\n.include nothing.lib\n")
    (tmp_path / "empty.cir").write_text("t\n.include\n")
    (tmp_path / "nul.cir").write_bytes(b"t\n.include a\0b\n")
    for name, words in (
        ("loop", "includes itself"),
        ("gone", "can't be read"),
        ("empty", "no file"),
        ("nul", "include"),
    ):
        with pytest.raises(NetlistError, match=words):
            Netlist.from_file(tmp_path / f"{name}.cir")


VALUES = """title
* R1 a 0 1k  is a comment
.param k=2 m={k*2}
R1 a 0 1k ; one
r2 a 0 r = {k *
+ 2} tc1=1m $ two
R3 (a 0) tc1=1m 5k
R4 a 0 rm l=1u w=1u
V1 a 0 DC 1 AC 1
V2 b 0 sin(0 1 1k)
V3 c 0
+ 5 AC 1
I1 c 0 dc={k}
C1 a 0 '1p'
E1 d 0 a 0 2
F1 d 0 V1
+ 3
M1 d a 0 0 nm w=1u
M2 d a 0 0 nm2 w=1u
M3 d a 0 0 nm2 w=1u
D1 a 0 dm ; a diode
.model dm d(is=1e-14)
.model nm nmos (level=1 vto={k} kp=1m)
.model nm2 nmos
.model rm r rsh=100
X1 a e s
.subckt s a b
R1 a b 1k
.ends
"""


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        (("r1", "r"), "R1 a 0 1k ; one", "R1 a 0 7.25 ; one"),
        (("R2", "R"), "r2 a 0 r = {k *\n+ 2} tc1=1m $ two", "r2 a 0 r = 7.25\n+  tc1=1m $ two"),
        (("r2", "tc1"), "tc1=1m $ two", "tc1=7.25 $ two"),
        (("r3", "r"), "R3 (a 0) tc1=1m 5k", "R3 (a 0) tc1=1m 7.25"),
        (("r4", "r"), "R4 a 0 rm l=1u w=1u", "R4 a 0 rm l=1u w=1u r=7.25"),
        (("v1", "dc"), "V1 a 0 DC 1 AC 1", "V1 a 0 DC 7.25 AC 1"),
        (("v2", "dc"), "V2 b 0 sin(0 1 1k)", "V2 b 0 DC 7.25 sin(0 1 1k)"),
        (("v3", "dc"), "+ 5 AC 1", "+ 7.25 AC 1"),
        (("i1", "dc"), "dc={k}", "dc=7.25"),
        (("c1", "c"), "C1 a 0 '1p'", "C1 a 0 7.25"),
        (("e1", "gain"), "E1 d 0 a 0 2", "E1 d 0 a 0 7.25"),
        (("f1", "gain"), "+ 3", "+ 7.25"),
        (("m1", "w"), "M1 d a 0 0 nm w=1u", "M1 d a 0 0 nm w=7.25"),
        (("m1", "l"), "M1 d a 0 0 nm w=1u", "M1 d a 0 0 nm w=1u l=7.25"),
        (("m1", "vto"), "vto={k}", "vto=7.25"),
        (("m1", "lambda"), "kp=1m)", "kp=1m lambda=7.25)"),
        (("d1", "area"), "D1 a 0 dm ;", "D1 a 0 dm area=7.25 ;"),
        (("d1", "is"), "is=1e-14", "is=7.25"),
    ],
)
def test_with_values_changes_that_number_and_nothing_else(key, old, new):
    netlist = Netlist.from_text(VALUES)
    changed = netlist.with_values({key: 7.25})
    assert VALUES.count(old) == 1
    assert changed.text == VALUES.replace(old, new)
    assert netlist.text == VALUES
    card = next(card for card in flatten(changed).cards if card.name == key[0].lower())
    name = key[1].lower()
    assert (card.values.get(name) or card.model.values[name]) == 7.25


def test_with_values_of_many_at_once():
    values = {("r1", "r"): 1 / 3, ("r2", "r"): 1e-7, ("v3", "dc"): -0.1, ("m1", "vto"): 0.8}
    flat = {card.name: card for card in flatten(Netlist.from_text(VALUES).with_values(values)).cards}
    assert (flat["r1"].values["r"], flat["r2"].values["r"], flat["v3"].values["dc"]) == (1 / 3, 1e-7, -0.1)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (("r.x1.r1", "r"), "inside a subcircuit"),
        (("r9", "r"), "not an element"),
        (("m2", "vto"), "other elements use too"),
    ],
)
def test_with_values_refuses_shared_text(key, words):
    with pytest.raises(NetlistError, match=words):
        Netlist.from_text(VALUES).with_values({key: 1.0})


def test_with_values_of_an_included_element(tmp_path):
    (tmp_path / "a.cir").write_text("t\n.include b.lib\n")
    (tmp_path / "b.lib").write_text("R1 a 0 1k\n")
    with pytest.raises(NetlistError, match="included file"):
        Netlist.from_file(tmp_path / "a.cir").with_values({("r1", "r"): 1.0})


@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x != 0))
def test_with_values_is_exact(x):
    changed = Netlist.from_text("t\nR1 a 0 1k\n").with_values({("r1", "r"): x})
    assert flatten(changed).cards[0].values["r"] == x


def test_with_values_refuses_lengths_that_an_option_scales():
    text = "t\n.options scale=1u\nM1 a b 0 0 nn W=10 L=1\n.model nn NMOS(LEVEL=1 VTO=1)\nV1 a 0 1\nV2 b 0 1\n"
    with pytest.raises(NetlistError, match="scaled by .options scale") as caught:
        Netlist.from_text(text).with_values({("m1", "w"): 2e-5})
    assert caught.value.line == 3 and "--to deck" in str(caught.value)
    assert "VTO=0.5" in Netlist.from_text(text).with_values({("m1", "vto"): 0.5}).text
