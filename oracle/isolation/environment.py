# SPDX-License-Identifier: Apache-2.0
"""The process's environment: what may be in it, and what ends the start.

In a confidential VM the compose document sets the environment, and the measurement covers that
document. This is the second line: variables by which a program loads code or writes secrets out end
the start, and every variable that is not listed here is removed before a library can read it.
"""

import sys
from collections.abc import MutableMapping

from oracle.errors import StartUpRefused

KEPT = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "HOSTNAME", "PWD", "TMPDIR", "TZ", "TERM"),
        *("NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
        *("MALLOC_ARENA_MAX", "CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_OFFLINE"),
        *("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "DSTACK_SIMULATOR_ENDPOINT"),
    )
)
KEPT_PREFIX = "TEETEE_"
"""`settings_sources` refuses those that are no settings."""

REFUSED = frozenset(
    (
        *("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "LD_DEBUG_OUTPUT", "LD_PROFILE"),
        *("GCONV_PATH", "LOCPATH", "NLSPATH", "MALLOC_TRACE", "GLIBC_TUNABLES"),
        *("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "SSLKEYLOGFILE"),
        *("OMP_TOOL_LIBRARIES", "CUDA_INJECTION64_PATH"),
    )
)
"""Most take effect before the first line of this program."""
REFUSED_BY_PYTHON = frozenset(
    (
        *("PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONUSERBASE"),
        *("PYTHONEXECUTABLE", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT"),
        *("PYTHONPYCACHEPREFIX", "PYTHONWARNINGS", "PYTHONDUMPREFSFILE"),
        *("PYTHONPERFSUPPORT",),
    )
)
"""`python -I` ignores them."""


def refuse_user_packages() -> None:
    """Raises `StartUpRefused` unless Python runs with -I.

    Without it, the folders of the user and of the current directory can load code before the first
    line of this program: HOME alone names a folder whose usercustomize.py runs.
    """
    if not sys.flags.isolated:
        raise StartUpRefused(
            what="Python is not isolated, so packages of the user or of the current folder can load"
            " code into the enclave",
            remedy="Start it with `python -I -m oracle run`.",
        )


def isolate_environment(
    environment: MutableMapping[str, str], *, is_isolated: bool | None = None
) -> None:
    """Remove every variable that is not listed. Proxies, CA bundles and telemetry are among them.

    Raises `StartUpRefused` for a variable that loads code or writes secrets out.
    """
    is_isolated = bool(sys.flags.ignore_environment) if is_isolated is None else is_isolated
    refused = REFUSED if is_isolated else REFUSED | REFUSED_BY_PYTHON
    if found := sorted(name for name in refused if environment.get(name)):
        raise StartUpRefused(
            what=f"the environment sets {', '.join(found)}, which can load code into the enclave or"
            " write its secrets out",
            remedy="Unset it.",
        )
    for name in [*environment]:
        if name not in KEPT and not name.startswith(KEPT_PREFIX):
            del environment[name]
