"""The errors that a user can cause; each names the place, the value found, what is allowed and the fix."""


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
