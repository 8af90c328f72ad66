"""`python -m deploy.asyncapi`: prints the document."""

import sys

from deploy.asyncapi.document import text

if __name__ == "__main__":
    sys.stdout.write(text())
