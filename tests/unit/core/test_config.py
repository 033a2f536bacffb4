"""bridge.toml: every mistake is one clear line, and the sample is what the schema says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from bridge.config import Config, ConfigMistakes, Line, load, sample
from bridge.config.sample import _suits
from bridge.config.schema import Bypass, Http, Images, Recipe
from bridge.config.words import shown
from bridge.errors import ConfigError
from bridge.plugin import Login, Options, ReporterOptions, Secret, SourceOptions
from bridge.plugin.discovery import AnySource, Plugin, find, installed
from bridge.plugin.options import BoxOptions
from bridge.plugin.sample import plugin_sample, table, toml

GOOD = """
[[line]]
name = "smt-3"
goal = 1
judge = "pins"

[line.source]
type = "hotfolder"
path = "/mnt/aoi"

[[line.reporter]]
type = "tcp"
name = "mes"
host = "mes"
port = 4000

[judge.pins]
type = "classifier"
model = "pins"
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "bridge.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def mistakes(path: Path) -> list[str]:
    """Return what is said of a file, one line each, without the file's name, which each must begin with."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_good_file_is_read(write: Write) -> None:
    config = load(write(GOOD))
    (line,) = config.line
    assert (line.name, line.goal, line.stage, line.topology, line.deadline_ms) == (
        "smt-3",
        1,
        "shadow",
        "tap",
        900,
    )
    assert config.http.host == "127.0.0.1"
    assert line.source.plugin.name == "hotfolder"
    assert line.reporters_opened() == ()


def test_folders_are_beside_the_file(write: Write, tmp_path: Path) -> None:
    assert load(write(GOOD)).data == (tmp_path / "var").resolve()
    assert load(write('data = "/srv/x"\n' + GOOD)).data == Path("/srv/x")


def test_the_fingerprint_is_that_of_the_text(write: Write) -> None:
    first = load(write(GOOD)).fingerprint
    assert re.fullmatch(r"[0-9a-f]{12}", first)
    assert load(write(GOOD)).fingerprint == first
    assert load(write(GOOD + "# a comment\n")).fingerprint != first


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(path).line[0].name == "smt-3"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("goal = 1", "goal = 1\ndeadlin_ms = 5", "line.smt-3.deadlin_ms: no such key; did you mean deadline_ms?"),
        ("[judge.pins]", '[http]\n"a\\nb" = 1\n[judge.pins]', "http.a·b: no such key; write one of host, port"),
        ("[judge.pins]", "[htp]\n[judge.pins]", "htp: no such key; did you mean http?"),
        ("goal = 1", "goal = 4", "line.smt-3.goal: 4 is not one of the choices; write 1 to cut false calls, "),
        ("goal = 1\n", "", "line.smt-3.goal: is missing; write 1 to cut false calls, "),
        ("goal = 1", "goal = true", "line.smt-3.goal: true is not one of the choices; write 1 to cut "),
        ('name = "smt-3"\n', "", "line[0].name: is missing; write a name for the line"),
        ('name = "smt-3"', 'name = "a b"', 'line.a b.name: "a b" has a form that is not allowed; write a name'),
        ("port = 4000", "port = 70000", "line.smt-3.reporter[0].port: 70000 is too large; write a port from 1 to"),
        ("port = 4000", "port = 0", "line.smt-3.reporter[0].port: 0 is too small; write a port from 1 to 65535"),
        ("port = 4000", 'port = "x"', 'line.smt-3.reporter[0].port: "x" is not a whole number; write a port'),
        (
            "port = 4000",
            "port = 4000.5",
            "line.smt-3.reporter[0].port: 4000.5 is not a whole number; write a port",
        ),
        (
            "port = 4000",
            "port = 4000\nprot = 4000",
            "line.smt-3.reporter[0].prot: no such key; did you mean port?",
        ),
        ('name = "mes"\n', "", "line.smt-3.reporter[0].name: is missing; write a name for this reporter"),
        ('type = "tcp"', 'type = "tpc"', 'line.smt-3.reporter[0].type: "tpc": no reporter of this name is '),
        ('type = "tcp"\n', "", "line.smt-3.reporter[0].type: is missing; write type = "),
        ('type = "tcp"', "type = 7", "line.smt-3.reporter[0].type: is missing; write type = "),
        ('type = "tcp"', 'type = "tcp"\nhome = "/x"', "line.smt-3.reporter[0].home: no such key; leave it out"),
        (
            "[line.source]",
            'source = "tcp"\n[line.sauce]',
            'line.smt-3.source: "tcp" is not a table; write a [line.',
        ),
        (
            "goal = 1",
            "goal = 1\ndeadline_ms = inf",
            "line.smt-3.deadline_ms: inf is not a finite number; write mil",
        ),
        ("goal = 1", "goal = 1\ndeadline_ms = -1", "line.smt-3.deadline_ms: -1 is too small; write milliseconds"),
        (
            "goal = 1",
            "goal = 1\nreserve_ms = 900",
            "line.smt-3.reserve_ms: 900 leaves the judge nothing; write less",
        ),
        ("goal = 1", 'goal = 1\nstage = "liv"', 'line.smt-3.stage: "liv" is not one of the choices; write shadow'),
        (
            "goal = 1",
            'goal = 1\nlive_recipes = ["M10"]',
            'line.smt-3.live_recipes: "M10" is not a recipe of this line; write a [line.recipe.M10]',
        ),
        (
            "goal = 1",
            'goal = 1\nlegacy_ok_on_failure = "accepted"',
            "line.smt-3.legacy_ok_on_failure: only goal 2 knows it; write",
        ),
        (
            "goal = 1",
            'goal = 1\nclearable_codes = "x"',
            'line.smt-3.clearable_codes: "x" is not a list; write a lis',
        ),
        (
            "goal = 1",
            "goal = 1\nthreshold = 1.5",
            "line.smt-3.threshold: 1.5 is above every score of the judge pins; write at most 1",
        ),
        (
            "[judge.pins]",
            "[line.recipe.a]\nthreshold = 60\n[judge.pins]",
            "line.smt-3.recipe.a.threshold: 60 is above every score of the judge pins; write at most 1",
        ),
        ("goal = 1", "goal = 1\nthreshold = 0", "line.smt-3.threshold: 0 is too small; write the operating point"),
        (
            "[judge.pins]",
            "[line.recipe.a]\nthreshold = 0\n[judge.pins]",
            "line.smt-3.recipe.a.threshold: 0 is too small; write the operating point",
        ),
        (
            "port = 4000",
            'port = 4000\ntemplate = "{"',
            'line.smt-3.reporter[0].template: "{" is no template (Single',
        ),
        (
            'path = "/mnt/aoi"',
            'path = "/mnt/aoi"\nencoding = "utf9"',
            'line.smt-3.source.encoding: "utf9" is no code page that is known here; write a code page for',
        ),
        (
            'path = "/mnt/aoi"',
            'path = "/mnt/aoi"\nverdict_in = "name"',
            'line.smt-3.source: verdict_in = "name" needs a pattern with a group (?P<verdict>…)',
        ),
        (
            'type = "tcp"\nname = "mes"\n',
            'type = "modbus"\nword_order = "abcd"\nname = "mes"\n',
            'line.smt-3.reporter[0].word_order: "abcd" is not one of the choices; write one of ABCD, CDAB, ',
        ),
        ("goal = 1", "goal = 1\nroi = {}", "line.smt-3.roi: {…} is too short; write a table of view name to"),
        (
            "goal = 1",
            "goal = 1\nroi = {a = {cx = 1, cy = 1, w = 0, h = 1}}",
            "line.smt-3.roi.a.w: 0 is too small; write the width in pixels",
        ),
        (
            'judge = "pins"',
            'judge = "pin"',
            'line.smt-3.judge: "pin" is not a judge of this file; write a [judge.pin]',
        ),
        (
            "[judge.pins]",
            '[judge."a b"]\ntype="classifier"\nmodel="x"\n[judge.pins]',
            'judge.a b: "a b" has a form',
        ),
        ('model = "pins"\n', "", "judge.pins.model: is missing; write a name under the models folder"),
        (
            'model = "pins"',
            'model = "pins"\nthreshold = 2',
            "judge.pins.threshold: 2 is too large; write the p(OK)",
        ),
        ("[judge.pins]", "[http]\nport = -1\n[judge.pins]", "http.port: -1 is too small; write a port from 1"),
        ("[judge.pins]", '[http]\nhost = ""\n[judge.pins]', 'http.host: "" is too short; write an address'),
        (
            "[judge.pins]",
            '[line.recipe.a]\njudge = "q"\n[judge.pins]',
            'line.smt-3.judge: "q" is not a judge of this',
        ),
        (
            "[judge.pins]",
            "[line.recipe.a]\nviews = 4\n[judge.pins]",
            "line.smt-3.recipe.a.views: no such key; did you",
        ),
        (
            "[judge.pins]",
            "[line.recipe.a]\nviews_expected = 0\n[judge.pins]",
            "line.smt-3.recipe.a.views_expected: 0 is too small; write how many views",
        ),
    ],
)
def test_a_mistake_is_one_line_with_key_finding_and_what_to_write(
    write: Write, old: str, new: str, said: str
) -> None:
    lines = mistakes(write(changed(old, new)))
    if "sauce" in new:
        lines = [line for line in lines if "sauce" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith(said), lines[0]
    assert len(lines[0]) < 300
    assert "\n" not in lines[0]
    assert not lines[0].endswith("write ")


def test_a_top_level_value_is_checked_too(write: Write) -> None:
    assert mistakes(write('log = "xml"\n' + GOOD)) == [
        'log: "xml" is not one of the choices; write console (to read) or json (to collect)'
    ]
    assert mistakes(write('data = "a\\u0000b"\n' + GOOD)) == [
        'data: "a·b" is not a path; write ' + (Config.model_fields["data"].description or "")
    ]


def test_an_empty_file_says_what_it_needs(write: Write) -> None:
    assert mistakes(write("")) == [
        "judge: is missing; write [judge.NAME] tables, each with its type",
        "line: is missing; write [[line]] tables, at least one",
    ]


def test_several_mistakes_are_several_lines(write: Write) -> None:
    text = GOOD.replace("goal = 1", "goal = 9").replace("4000", "70000").replace('model = "pins"', "mdel = 1")
    lines = mistakes(write(text))
    assert [line.split(":")[0] for line in lines] == [
        "judge.pins.model",
        "judge.pins.mdel",
        "line.smt-3.goal",
        "line.smt-3.reporter[0].port",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (GOOD.split("[judge", maxsplit=1)[0].strip(), "line: the name smt-3 is there 2 times; write"),
        (
            '[[line.reporter]]\ntype="tcp"\nname="mes"\nhost="b"\nport=1',
            "line.smt-3.reporter: the name mes is there 2",
        ),
        (
            '[[line.reporter]]\ntype="tcp"\nname="source"\nhost="b"\nport=1',
            "line.smt-3.reporter: the name source is",
        ),
    ],
)
def test_names_are_unique(write: Write, more: str, said: str) -> None:
    head, tail = GOOD.split("[judge")
    (line,) = mistakes(write(f"{head}\n{more}\n[judge{tail}"))
    assert line.startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = ", "is not TOML: "),
        (b"a = 1\na = 2\n", "is not TOML: "),
        (b"\xff\xfe", "is not UTF-8 at byte 0; save it as UTF-8"),
        (b"name: yaml\n", "is not TOML: "),
        (b"a = " + b"[" * 20_000, "is not TOML: "),
        (b"a = " + b"9" * 10_000, "is not TOML: "),
    ],
)
def test_what_is_no_toml_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bridge.toml"
    path.write_bytes(content)
    (line,) = mistakes(path)
    assert line.startswith(said)


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path / "none.toml")
    assert line == "there is no such file; write one with aoi-bridge init"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_the_error_knows_its_place_and_all_its_lines(write: Write) -> None:
    with pytest.raises(ConfigMistakes) as caught:
        load(write(""))
    assert len(caught.value.mistakes) == 2
    assert str(caught.value) == "\n".join(caught.value.mistakes)


# -- recipes, rules, reporters ------------------------------------------------------------------------------------


def line(**more: object) -> Line:
    found = find("source", "hotfolder")
    source = {"type": found.name, "path": "/x"}
    return Line.model_validate({"name": "l", "goal": 1, "judge": "pins", "source": source, **more})


def test_a_recipe_overrides_what_it_names_and_nothing_else() -> None:
    one = line(
        views_expected=4, clearable_codes=["A"], recipe={"x": {"views_expected": 2}, "y": {"judge": "other"}}
    )
    assert (one.rules("x").views_expected, one.rules("x").clearable) == (2, {"A"})
    assert (one.rules("y").views_expected, one.rules("").views_expected) == (4, 4)
    assert one.judges() == {"pins", "other"}
    assert (one.knows("x"), one.knows("z"), one.knows("")) == (True, False, False)
    assert line().knows("anything")


def test_an_empty_list_of_codes_clears_nothing() -> None:
    assert line(recipe={"x": {"clearable_codes": []}}).rules("x").clearable == frozenset()


def test_the_operating_point_of_each_recipe_is_held_to_its_own_judge() -> None:
    one = line(threshold=0.4, recipe={"a": {}, "b": {"judge": "other"}, "c": {"threshold": 0.6}})
    assert list(one.thresholds()) == [
        ("threshold", "pins", 0.4),
        ("threshold", "pins", 0.4),
        ("threshold", "other", 0.4),
        ("recipe.c.threshold", "pins", 0.6),
    ]


@pytest.mark.parametrize(
    ("stage", "topology", "in_shadow", "opened"),
    [
        ("shadow", "tap", False, []),
        ("shadow", "tap", True, ["m"]),
        ("shadow", "inline", False, ["m"]),
        ("live", "tap", False, ["m"]),
        ("live", "inline", False, ["m"]),
    ],
)
def test_in_shadow_beside_a_tap_no_reporter_is_opened_unless_it_asks(
    stage: str, topology: str, in_shadow: object, opened: list[str]
) -> None:
    told = {"type": "tcp", "name": "m", "host": "h", "port": 1, "in_shadow": in_shadow}
    one = line(stage=stage, live_because="a test", topology=topology, reporter=[told])
    assert [plugged.options.name for plugged in one.reporters_opened()] == opened


# -- plugins inside plugins, and secrets --------------------------------------------------------------------------


class JoinedOptions(SourceOptions):
    first: AnySource
    """a table with its type"""


class TokenOptions(Options):
    token: Secret
    """env:NAME or file:/path"""


class LoginOptions(Options):
    user: Login = ""
    """a name, or a reference to it"""


@pytest.fixture
def _joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that wraps another, as cameras behind a trigger do."""
    from bridge.plugin import discovery  # noqa: PLC0415 - only this fixture reaches into it

    def found(kind: Any, name: str) -> Plugin:
        if name == "joined":
            return Plugin("source", "joined", JoinedOptions, None, "")  # type: ignore[arg-type]
        return find(kind, name)

    monkeypatch.setattr(discovery, "find", found)


@pytest.mark.usefixtures("_joined")
def test_a_mistake_inside_a_wrapped_plugin_names_its_whole_place(write: Write) -> None:
    nested = 'type = "joined"\nfirst = {type = "hotfolder", paht = "/x"}'
    lines = mistakes(write(changed('type = "hotfolder"\npath = "/mnt/aoi"', nested)))
    assert sorted(line.split("; ")[0] for line in lines) == [
        "line.smt-3.source.first.paht: no such key",
        "line.smt-3.source.first.path: is missing",
    ]


class TestSecrets:
    def said(self, reference: object) -> str:
        from pydantic import ValidationError  # noqa: PLC0415 - same

        from bridge.config.words import sentences  # noqa: PLC0415 - only secrets look at the words directly

        with pytest.raises(ValidationError) as caught:
            TokenOptions.model_validate({"token": reference})
        (sentence,) = sentences(caught.value.errors(include_url=False), TokenOptions, {})
        return sentence

    def test_a_secret_comes_from_the_environment_or_a_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("TOKEN", "from the air")
        (tmp_path / "token").write_text("from a file\n", encoding="utf-8")
        assert TokenOptions.model_validate({"token": "env:TOKEN"}).token.get_secret_value() == "from the air"
        held = TokenOptions.model_validate({"token": f"file:{tmp_path / 'token'}"})
        assert held.token.get_secret_value() == "from a file"
        assert "from a file" not in repr(held)

    def test_a_secret_in_the_file_itself_is_refused_and_not_shown(self) -> None:
        sentence = self.said("hunter2")
        assert sentence == "token: what stands there is not a reference; write env:NAME or file:/path"

    @pytest.mark.parametrize("password", ["s3cret", "s3/cr@et", "s3cret" * 20])
    def test_a_password_in_a_url_is_not_shown(self, password: str) -> None:
        """Where it does not belong, and where it does: the address of a network camera has one, as a rule."""
        assert shown(f"rtsp://admin:{password}@camera/1") == '"rtsp://…@camera/1"'

    @pytest.mark.parametrize("empty", ["", None])
    def test_a_variable_that_is_not_set_is_named(self, monkeypatch: pytest.MonkeyPatch, empty: str | None) -> None:
        monkeypatch.delenv("NO_TOKEN", raising=False)
        if empty is not None:
            monkeypatch.setenv("NO_TOKEN", empty)
        assert "names the environment variable NO_TOKEN, which is not set; write env:" in self.said("env:NO_TOKEN")

    def test_a_file_that_cannot_be_a_secret_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        (tmp_path / "empty").write_bytes(b"\n")
        assert "which cannot be read (No such file or directory)" in self.said(f"file:{tmp_path / 'none'}")
        assert "which cannot be read (Is a directory)" in self.said(f"file:{tmp_path}")
        assert "which is not UTF-8 text" in self.said(f"file:{tmp_path / 'binary'}")
        assert "which is empty" in self.said(f"file:{tmp_path / 'empty'}")

    @pytest.mark.parametrize("nothing", ["env:", "file:", "TOKEN", 7, ["env:TOKEN"]])
    def test_anything_else_is_no_secret(self, nothing: object) -> None:
        assert str(nothing) not in self.said(nothing).split(";")[0]


# -- samples ------------------------------------------------------------------------------------------------------


def every_key(text: str, model: type[BaseModel]) -> dict[str, Any]:
    """Return the keys of a table's sample, live, commented or tables of their own."""
    own, _, inner = text.partition("\n[")
    keys = re.findall(r"^(?:# )?(\w+) = (.*)$", own, flags=re.MULTILINE)
    tables = re.findall(r"^\[*[\w.]+\.(\w+)\]+$", inner, flags=re.MULTILINE)
    return {key: {} for key in tables} | {
        key: tomllib.loads(f"x = {value}")["x"] for key, value in dict(keys).items() if key in model.model_fields
    }


class TestSample:
    def test_it_loads_as_it_is_written(self, write: Write) -> None:
        config = load(write(sample.sample()))
        assert [told.options.name for told in config.line[0].reporter] == ["plc", "mes"]

    @pytest.mark.parametrize("source", sorted(installed("source")))
    @pytest.mark.parametrize("reporter", sorted(installed("reporter")))
    def test_every_choice_loads(self, write: Write, source: str, reporter: str) -> None:
        assert load(write(sample.sample(source, [reporter, reporter]))).line[0].source.plugin.name == source

    @pytest.mark.parametrize("model", [Line, Bypass, Http, Images, Config])
    def test_a_commented_line_of_the_schema_is_its_default(self, model: type[BaseModel]) -> None:
        tables = {"source", "reporter", "recipe", "bypass", "http", "images"}
        without = tables | ({"judge", "line"} if model is Config else set())
        written = every_key(table(model, {"name": "l", "goal": 1, "judge": "p"}, without), model)
        self.holds_defaults(model, written)

    @pytest.mark.parametrize("kind", ["source", "reporter", "judge"])
    def test_a_commented_line_of_a_plugin_is_its_default(self, kind: Any) -> None:
        for name in installed(kind):
            model, text = find(kind, name).options, plugin_sample(kind, name)
            assert f'type = "{name}"\n' in text
            written = every_key(text, model)
            assert set(written) == set(model.model_fields) - {"home"}
            self.holds_defaults(model, written)

    def holds_defaults(self, model: type[BaseModel], written: dict[str, Any]) -> None:
        """Every key of the model is there, and reads back as its default where it has one that TOML can say."""
        fields = {name: field for name, field in model.model_fields.items() if name in written}
        assert fields
        for name, field in fields.items():
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            if default is not None:
                assert toml(written[name]) == toml(default), name
            else:
                assert "…" not in str(written[name]), f"{model.__name__}.{name} has no example"

    def test_it_shows_a_recipe_of_every_key(self, write: Write) -> None:
        """Each of its lines may be made live as it is."""
        text = sample.sample()
        begin, end = text.index("# [line.recipe.M10]"), text.index("[judge.pins]")
        live = re.sub(r"(?m)^# (?=\[|\w+ = )", "", text[begin:end]).replace("pins-m10", "pins")
        recipe = load(write(text[:begin] + live + text[end:])).line[0].recipe["M10"]
        assert recipe.model_fields_set == set(Recipe.model_fields)

    def test_every_key_has_its_words(self) -> None:
        for model in (Line, Recipe, Http, Config, BoxOptions):
            for name, field in model.model_fields.items():
                assert field.description, name

    def test_two_reporters_of_a_kind_have_two_names(self, write: Write) -> None:
        config = load(write(sample.sample("hotfolder", ["tcp", "tcp", "tcp"])))
        assert [told.options.name for told in config.line[0].reporter] == ["mes", "mes-2", "mes-3"]


# -- anything at all ----------------------------------------------------------------------------------------------

scalars = (
    st.text(max_size=20)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.booleans()
    | st.dates()
    | st.sampled_from(["tcp", "hotfolder", "classifier", "live", "env:HOME", "{…}", "[/]"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def said(value: object) -> str:
    """Return any of these values as TOML, dates too."""
    return value.isoformat() if hasattr(value, "isoformat") else toml(value)  # type: ignore[no-any-return]


@given(st.text() | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1) | st.booleans())
def test_a_value_comes_back_from_toml_as_it_went(value: object) -> None:
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value


KEYS = [
    "data",
    "log",
    "http",
    "http.host",
    "http.port",
    "judge",
    "judge.pins",
    "judge.pins.type",
    "judge.pins.model",
    "line",
    *(f"line.0.{name}" for name in Line.model_fields),
    "line.0.source.type",
    "line.0.source.path",
    "line.0.reporter.0.type",
    "line.0.reporter.0.port",
    "line.0.recipe.x",
    "line.0.recipe.x.roi",
    "anything",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(key=st.sampled_from(KEYS), value=values)
def test_no_value_of_any_key_raises_anything_but_a_config_error(tmp_path: Path, key: str, value: Any) -> None:
    """And what is said of it is one line for each mistake, none of them empty or endless."""
    document: Any = tomllib.loads(GOOD)
    document["line"][0]["recipe"] = {"x": {}}
    document["http"] = {}
    here = document
    *way, last = key.split(".")
    for step in way:
        here = here[int(step)] if step.isdigit() else here[step]
    here[last] = value
    path = tmp_path / "bridge.toml"
    path.write_text("\n".join(f"{key} = {inline(said)}" for key, said in document.items()), encoding="utf-8")
    try:
        load(path)
    except ConfigError as exc:
        for sentence in str(exc).split("\n"):
            assert sentence.startswith(f"{path}: ")
            assert ": " in sentence.removeprefix(f"{path}: ")
            assert sentence.isprintable() or key != "anything"


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(k))} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(v) for v in value) + "]"
    return said(value)


class FieldbusOptions(ReporterOptions):
    lane: Literal["realtime", "guaranteed"] = "realtime"
    """realtime"""


def test_a_sample_names_a_reporter_by_its_lane_not_by_its_plugin() -> None:
    """Anybody's plugin gets a name that suits it."""
    assert (_suits(FieldbusOptions), _suits(ReporterOptions)) == ("plc", "mes")
    named = tomllib.loads(sample.sample(reporters=("modbus", "tcp", "modbus")))["line"][0]["reporter"]
    assert [told["name"] for told in named] == ["plc", "mes", "plc-2"]


def test_a_user_is_named_or_referred_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is no secret, but where the password comes from a vault the name does too."""
    monkeypatch.setenv("WHO", "line-7")
    assert LoginOptions.model_validate({"user": "bridge"}).user == "bridge"
    assert LoginOptions.model_validate({"user": "env:WHO"}).user == "line-7"
    monkeypatch.delenv("WHO")
    with pytest.raises(ValueError, match="names the environment variable WHO, which is not set"):
        LoginOptions.model_validate({"user": "env:WHO"})
