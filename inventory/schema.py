"""JSON Schemas of the project's files, so that editors complete and check while typing.

`python -m inventory.schema` writes them; a test holds them up to date with the models.
"""

import json
from pathlib import Path

from inventory.files import FILES

FOLDER = Path(__file__).parent / "schema"


def schemas() -> dict[str, str]:
    """The text of every schema by its file name."""
    texts = {}
    for file, model in FILES.items():
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **model.model_json_schema(by_alias=True),
            "title": f"Qianyun {file}",
        }
        name = file.removesuffix(".yaml") + ".schema.json"
        texts[name] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
