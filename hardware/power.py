"""Power budget of a node: ``python -m hardware.power`` prints days without sun for a battery and an interval.

Every figure is a data-sheet or typical value with its source beside it; none was measured on a built node.
"""

import argparse
import json
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What draws current in a cycle.

    Attributes
    ----------
    milliamps : at the battery's voltage, after the converter
    seconds : how long in each cycle; ``None`` for always
    source : where the figure comes from
    """

    name: str
    milliamps: float
    seconds: float | None
    source: str


# One 3.3 V rail from one LiFePO4 cell; probe rails are switched off between samples.
LOADS = {
    "low-cost": (
        Load("ESP32 deep sleep with RTC", 0.010, None, "Espressif ESP32 data sheet, table of power modes: 10 µA"),
        Load("regulator, dividers, protection", 0.030, None, "assumed: low-quiescent LDO and 2 MΩ divider"),
        Load("ESP32 awake, radio off", 40.0, 4.0, "Espressif ESP32 data sheet, modem sleep 20–68 mA"),
        Load(
            "ESP32 Wi-Fi: join, MQTT, TLS",
            120.0,
            6.5,
            "Espressif ESP32 data sheet, 95–240 mA on air; 6 s assumed, 0.5 s listening",
        ),
        Load("DS18B20", 1.5, 1.0, "Analog Devices DS18B20 data sheet: 1 mA typical, 1.5 mA at most"),
        Load(
            "analog pH and galvanic DO boards, ADS1115", 15.0, 4.0, "assumed from makers' pages: 5–10 mA a board; ADS1115 0.2 mA"
        ),
    ),
    "long-life": (
        Load("ESP32 deep sleep with RTC", 0.010, None, "Espressif ESP32 data sheet, table of power modes: 10 µA"),
        Load("regulator, dividers, protection", 0.030, None, "assumed: low-quiescent LDO and 2 MΩ divider"),
        Load("ESP32 awake, radio off", 40.0, 15.0, "Espressif ESP32 data sheet, modem sleep 20–68 mA"),
        Load(
            "ESP32 Wi-Fi: join, MQTT, TLS",
            120.0,
            6.5,
            "Espressif ESP32 data sheet, 95–240 mA on air; 6 s assumed, 0.5 s listening",
        ),
        Load(
            "optical DO on RS485 through a 12 V converter", 130.0, 10.0, "assumed: 0.35 W probe at 85 % from 3.2 V; 8 s warm-up"
        ),
        Load("EZO pH and EC with isolators", 70.0, 6.0, "Atlas EZO data sheets: 14–50 mA a circuit at 3.3 V; isolators assumed"),
        Load("wiper, once every fourth cycle", 300.0, 1.25, "assumed: small gear motor, 5 s each"),
    ),
}
# Usable share of a LiFePO4 cell's rating down to 3.0 V at 25 °C, and what self-discharge takes of it in a month.
USABLE, SELF_DISCHARGE = 0.85, 0.03


def average(variant: str, interval: float) -> float:
    """Return the mean current, mA, at one sample every `interval` seconds.

    Raises
    ------
    ValueError
        if the interval is shorter than what a cycle takes
    """
    loads = LOADS[variant]
    longest = max(load.seconds or 0.0 for load in loads)
    if interval <= longest:
        raise ValueError(f"interval {interval} s is not longer than the {longest} s that a cycle takes")
    return sum(load.milliamps * (1.0 if load.seconds is None else load.seconds / interval) for load in loads)


def days(variant: str, battery: float, interval: float) -> float:
    """Return the days that a full battery of `battery` mAh lasts without sun."""
    drain = average(variant, interval) * 24 + battery * SELF_DISCHARGE / 30
    return battery * USABLE / drain


def panel(variant: str, interval: float, sun_hours: float = 2.5, share: float = 0.65) -> float:
    """Return the panel in watts that covers a day's use.

    Parameters
    ----------
    sun_hours : full-sun hours of the worst month; 2.5 is a rainy-season assumption for the Mekong Delta, not a measurement
    share : of the panel's rating that reaches the battery after heat, dirt and charger
    """
    return average(variant, interval) * 24 * 3.2 / 1000 / (sun_hours * share)


def main(argv: "list[str] | None" = None) -> int:
    """Print the budget; 0 when it could be computed, 2 when the call was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m hardware.power",
        description="Days without sun of a node, from data-sheet values (nothing measured).",
        epilog="example: python -m hardware.power --battery 6000 --interval 900",
    )
    parser.add_argument("--variant", choices=sorted(LOADS), help="default: both")
    parser.add_argument("--battery", type=float, default=6000.0, metavar="MAH", help="LiFePO4, mAh (default 6000)")
    parser.add_argument("--interval", type=float, default=900.0, metavar="S", help="seconds between samples (default 900)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args(argv)
    try:
        rows = {
            variant: {
                "average_ma": round(average(variant, given.interval), 3),
                "days": round(days(variant, given.battery, given.interval), 1),
                "panel_w": round(panel(variant, given.interval), 2),
            }
            for variant in ([given.variant] if given.variant else LOADS)
        }
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.json:
        sys.stdout.write(json.dumps(rows) + "\n")
        return 0
    for variant, row in rows.items():
        sys.stdout.write(f"{variant}, one sample every {given.interval:.0f} s, {given.battery:.0f} mAh LiFePO4\n")
        for load in LOADS[variant]:
            share = 1.0 if load.seconds is None else load.seconds / given.interval
            sys.stdout.write(f"  {load.milliamps * share:7.3f} mA  {load.name} ({load.source})\n")
        sys.stdout.write(
            f"  {row['average_ma']:7.3f} mA  in all: {row['days']:.0f} days without sun; a panel of {row['panel_w']:.1f} W carries it\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
