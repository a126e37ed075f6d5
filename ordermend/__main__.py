"""`python -m ordermend` is `ordermend`."""

from ordermend.cli import main

if __name__ == "__main__":
    main()
