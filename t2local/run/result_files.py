"""The files of a result: what stands in them, and how they come into a folder."""

from dataclasses import dataclass

import pandas as pd

from t2local.page import page
from t2local.run.folder import RunFolder
from t2local.system.json_text import JsonObject, as_json
from t2local.tables.files import Table


@dataclass(frozen=True)
class ResultFiles:
    """What stands in the files of a result.

    * ``table``: the input, which they are written like.
    * ``kept``, ``rejected``: frames of cells, the rejected ones with their notes in front.
    * ``texts``: dictionary, plan and beliefs, by the name of their file.
    * ``manifest``: without the hashes of files.
    """

    table: Table
    kept: pd.DataFrame
    rejected: pd.DataFrame
    texts: dict[str, str]
    report: JsonObject
    manifest: JsonObject

    def write(self, folder: RunFolder) -> JsonObject:
        """Write all files, the manifest last.

        **Returns** the manifest with the hashes of the others.
        """
        folder.write_rows(self.table, self.kept, self.rejected)
        report = {
            "report.json": as_json(self.report),
            "report.html": page(self.report, self.manifest),
        }
        folder.write({**self.texts, **report})
        manifest = {**self.manifest, "files": folder.hashes()}
        folder.write({"manifest.json": as_json(manifest)})
        return manifest
