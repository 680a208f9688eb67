"""`python -m unigurd_trainer`: the command line, for launchers that start modules."""

from unigurd_trainer.cli import main

if __name__ == "__main__":
    main()
