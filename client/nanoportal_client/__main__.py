"""`nanoportal`, and `python -m nanoportal_client`."""

from nanoportal_client.commands import cli


def main() -> None:
    cli(prog_name="nanoportal")


if __name__ == "__main__":
    main()
