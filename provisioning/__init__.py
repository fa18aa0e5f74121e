"""The field technician's tools: image, flashing, certificates, registration, calibration, the gateway's set-up. Works without the internet."""
