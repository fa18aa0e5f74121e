"""What all pages share: layout, texts, styles, who is looking; and the pages that bring capabilities together."""
