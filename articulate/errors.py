"""The errors that a user can cause; each names the place, the value found, what is allowed and the fix."""

import errno


class ArticulateError(Exception):
    """Base of every error that is reported to the user as one message, without a traceback."""

    exit_code = 1


class ConfigError(ArticulateError):
    """A configuration key or value that cannot be used."""

    exit_code = 2


class DataError(ArticulateError):
    """Input data (videos, stores, recordings) that cannot be used."""

    exit_code = 3


class TrainingError(ArticulateError):
    """Training cannot go on, for example because a loss is not finite."""

    exit_code = 4


class ExportError(ArticulateError):
    """A result that was asked for cannot be written."""

    exit_code = 5


class Interrupted(ArticulateError):
    """The run was asked to stop; what it had done is on disk."""

    exit_code = 143


FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


def explained(error: OSError) -> ExportError | None:
    """What a user can mend about a folder that cannot be written; None where the error is another one."""
    if error.errno in FULL:
        return ExportError(f"Disk full: {error}. Nothing that was there is lost; free space, same command again.")
    if error.errno in CLOSED:
        return ExportError(f"{error.filename}: {error.strerror}; give a folder that this user can write to")
    return None
