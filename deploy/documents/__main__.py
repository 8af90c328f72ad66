"""`python -m deploy.documents [PAGE]`: renews all pages, or prints one."""

import sys

from deploy.documents import pages
from deploy.failure import CannotContinueError


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            pages.renew()
        case [name] if name in pages.RENDERED:
            sys.stdout.write(pages.RENDERED[name]())
        case _:
            raise CannotContinueError(f"PAGE must be one of: {', '.join(pages.RENDERED)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotContinueError as failure:
        sys.exit(f"iop: {failure}")
