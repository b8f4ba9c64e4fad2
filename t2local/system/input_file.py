"""The bytes of a file that a person names, where it is one and not larger than makes sense."""

from pathlib import Path

from t2local.errors import InputError


def read_bytes(path: Path, most: int, error: type[InputError], next_step: str) -> bytes:
    """The content of a file.

    **Parameters:**

    * **most**: bytes that such a file has at most; a larger one would only fill the memory.
    * **next_step**: what to do where there is no such file.

    **Raises** ``error`` for what is no file: a folder, a pipe and a device, which may never end.
    """
    try:
        if not path.exists():
            raise error(f"There is no file {path}.", next_step=next_step)
        if path.is_dir():
            raise error(f"{path} is a folder, not a file.", next_step="pass a file in it")
        if not path.is_file():
            raise error(
                f"{path} is a pipe or a device, not a file.",
                next_step="save what it gives as a file, and pass that",
            )
        if path.stat().st_size > most:
            raise error(
                f"{path.name} is larger than {most / 1e6:,.0f} MB.",
                next_step="check that it is the right file; t2local is for small tables",
            )
        return path.read_bytes()
    except OSError as fault:
        raise error(
            f"{path} cannot be read: {fault.strerror}.", next_step="check its name and its rights"
        ) from None
