"""What runs on the board beside `firmware`: start and self-test. Copied into the image; the host never imports it."""
