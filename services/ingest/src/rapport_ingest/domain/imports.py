"""What an import is asked to do: a file's form, a mapping, and whose data it is."""

from typing import Any, Literal

import msgspec

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import Writing
from rapport_common.wording import plain
from rapport_ingest.domain.mapping import Mapping, mapping_of
from rapport_ingest.domain.presets import PRESETS, preset
from rapport_ingest.domain.source import LegalBasis, Party, Provenance

KIND = "import"
"""The kind of the jobs."""

S3 = "s3://"
"""How the address of a file in an S3-compatible store begins."""

Format = Literal["csv", "jsonl", "parquet"]
Ids = Literal["row", "content", "job"]
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
MAX_TEXT = 1024
NAMED = ("second", "third")


class Options(Writing, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the file is written, see `Writing`, and which message ids its events get.

    `id`: `row` hashes the source, the row's number and its event; `content` hashes source and
    event; `job` is new for each import. `decimals`, `timezone` and `time_format` are for presets.
    `trailer` is the first cell of a last line with totals. `limit` ends a dry run after so many
    rows.
    """

    id: Ids = "row"
    decimals: Literal[".", ","] = "."
    timezone: str | None = None
    time_format: str | None = None
    trailer: str | None = None
    require_trailer: bool = False
    limit: int | None = None


class ImportSpec(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An import as it is asked for: the file is uploaded (`name` is only shown) or at `uri`.

    JSON Lines without a mapping or preset hold events in Segment's shape. A file tells of the past,
    so nobody is written to because of it, unless `historic` is false.
    """

    source: str
    format: Format | None = None
    name: str | None = None
    uri: str | None = None
    mapping: Mapping | None = None
    preset: str | None = None
    options: Options = Options()
    party: Party = "first"
    provider: str | None = None
    legal_basis: LegalBasis | None = None
    dry_run: bool = False
    historic: bool = True

    @property
    def provenance(self) -> Provenance:
        """Whose data the events are."""
        return Provenance(party=self.party, provider=self.provider, legal_basis=self.legal_basis)

    @property
    def form(self) -> Format:
        """The file's format, which a checked spec has."""
        if self.format is None:
            message = "this spec has not been checked"
            raise ValueError(message)
        return self.format


def spec_of(value: Any) -> ImportSpec:
    """A checked spec from JSON values, its format decided; InvalidRequestError names the field."""
    found = dict(value) if isinstance(value, dict) else {}
    mapping = found.pop("mapping", None)
    try:
        spec = msgspec.convert(found, ImportSpec)
    except msgspec.ValidationError as error:
        raise _invalid("spec", plain(error)) from error
    if mapping is not None:
        spec = msgspec.structs.replace(spec, mapping=mapping_of(mapping))
    _check_texts(spec)
    _check_options(spec.options)
    if spec.preset is not None:
        if spec.preset not in PRESETS:
            raise _invalid("preset", f"there is none of this name; {', '.join(PRESETS)} exist")
        if spec.mapping is not None:
            raise _invalid("mapping", "give a mapping or a preset, not both")
        mapping_for(spec)
    if spec.party in NAMED and not (spec.provider and spec.legal_basis):
        missing = "legal_basis" if spec.provider else "provider"
        raise _invalid(missing, f"data of a {spec.party} party needs a provider and a legal_basis")
    return _with_format(spec)


def mapping_for(spec: ImportSpec) -> Mapping | None:
    """The mapping of the spec or its preset; None when the rows are events already."""
    if spec.preset is None:
        return spec.mapping
    options = spec.options
    return preset(spec.preset, options.decimals, options.timezone, options.time_format)


def _with_format(spec: ImportSpec) -> ImportSpec:
    form = spec.format or _guessed(spec.uri or spec.name or "")
    if form is None:
        message = "csv, jsonl or parquet: the file's name does not say which"
        raise _invalid("format", message)
    if form != "jsonl" and spec.mapping is None and spec.preset is None:
        raise _invalid("mapping", f"rows of a {form} file need a mapping or a preset")
    if spec.options.trailer and (form != "csv" or mapping_for(spec) is None):
        raise _invalid("options.trailer", "only a csv file has a trailer")
    return msgspec.structs.replace(spec, format=form)


def _guessed(name: str) -> Format | None:
    lower = name.lower().removesuffix(".gz")
    return next((form for end, form in ENDINGS.items() if lower.endswith(end)), None)


def _check_texts(spec: ImportSpec) -> None:
    options = spec.options
    texts = {
        "source": spec.source,
        "name": spec.name,
        "uri": spec.uri,
        "provider": spec.provider,
        "options.time_format": options.time_format,
        "options.trailer": options.trailer,
        **{f"options.columns.{number}": one for number, one in enumerate(options.columns)},
    }
    for where, text in texts.items():
        if text is not None and (not text or len(text) > MAX_TEXT or "\0" in text):
            raise _invalid(where, f"it has 1 to {MAX_TEXT} characters, and no NUL among them")


def _check_options(options: Options) -> None:
    for name, text in (("delimiter", options.delimiter), ("quote", options.quote)):
        if text and (len(text) != 1 or text in "\r\n\0"):
            raise _invalid(f"options.{name}", "it is one character")
    if options.delimiter == "":
        raise _invalid("options.delimiter", "it is one character")
    if options.quote and options.quote == options.delimiter:
        raise _invalid("options.quote", "it is another character than the delimiter")
    if not options.header and not options.columns:
        raise _invalid("options.columns", "without a header the columns have to be named")
    if len(set(options.columns)) < len(options.columns):
        raise _invalid("options.columns", "each name stands for one column")
    if options.limit is not None and options.limit < 1:
        raise _invalid("options.limit", "it is 1 or more")


def _invalid(where: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"{where}: {reason}.", details={"path": where})
