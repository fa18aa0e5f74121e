"""What is installed on a Raspberry Pi beside the program: broker configuration, systemd units, limits that spare the SD card."""
