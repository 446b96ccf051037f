"""The images of `images/`: what each promises, how one is built, saved, and tested in itself."""
