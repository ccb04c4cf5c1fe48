"""Files that a browser saves."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from fastapi.responses import Response


def csv_file(name: str, write: Callable[[Path], object]) -> Response:
    """The answer that a browser saves as NAME.csv; `write` writes it to a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        write(path)
        content = path.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)
