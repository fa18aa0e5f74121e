"""``vuong gateway card``: what goes on the boot partition of a Raspberry Pi OS card so that its first start makes a gateway, without a network."""
