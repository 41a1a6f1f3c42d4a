"""Turns Elixir's dates, times, durations and time zones into objects of datetime and zoneinfo, and back.

structs.py loads this for the first of them, and uses the tables that end the two parts.
"""

from _pythonx import embedded
from erlang import Atom, EncodeError

struct = embedded("structs").struct

ISO = Atom("Elixir.Calendar.ISO")


# -- from Elixir ------------------------------------------------------------------------------------------------------


def iso_calendar(fields):
    if fields["calendar"] != ISO:
        raise ValueError(f"the calendar {fields['calendar']} is not Calendar.ISO")


def build_date(fields):
    from datetime import date

    iso_calendar(fields)
    return date(fields["year"], fields["month"], fields["day"])


def clock(fields):
    return fields["hour"], fields["minute"], fields["second"], fields["microsecond"][0]


def build_time(fields):
    from datetime import time

    iso_calendar(fields)
    return time(*clock(fields))


def build_naive_datetime(fields, **more):
    from datetime import datetime

    iso_calendar(fields)
    return datetime(fields["year"], fields["month"], fields["day"], *clock(fields), **more)


def build_datetime(fields):
    from datetime import timedelta, timezone

    name = fields["time_zone"]
    offset = timedelta(seconds=fields["utc_offset"] + fields["std_offset"])
    if name == "Etc/UTC" and not offset:
        return build_naive_datetime(fields, tzinfo=timezone.utc)
    if name.startswith("UTC") and name == timezone(offset).tzname(None):
        return build_naive_datetime(fields, tzinfo=timezone(offset))
    zone = time_zone(name)
    for fold in (0, 1):
        value = build_naive_datetime(fields, tzinfo=zone, fold=fold)
        if value.utcoffset() == offset:
            return value
    raise ValueError(f"in {name} the offset from UTC is {value.utcoffset()} then, not {offset}")


def time_zone(name):
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"this machine's zoneinfo has no time zone {name!r} (pip install tzdata)") from None


def build_duration(fields):
    from datetime import timedelta

    if fields["year"] or fields["month"]:
        raise ValueError("years and months have no fixed length, which a timedelta has: send days")
    units = {name + "s": fields[name] for name in ("week", "day", "hour", "minute", "second")}
    return timedelta(**units, microseconds=fields["microsecond"][0])


builders = {
    "Elixir.Date": build_date,
    "Elixir.Time": build_time,
    "Elixir.NaiveDateTime": build_naive_datetime,
    "Elixir.DateTime": build_datetime,
    "Elixir.Duration": build_duration,
}


# -- to Elixir --------------------------------------------------------------------------------------------------------


def calendar_day(value):
    return {"calendar": ISO, "year": value.year, "month": value.month, "day": value.day}


def clock_time(value):
    # Elixir has a precision, Python has not: a whole second gets none, any other value microseconds.
    microsecond = (value.microsecond, 6 if value.microsecond else 0)
    return {"hour": value.hour, "minute": value.minute, "second": value.second, "microsecond": microsecond}


def simplify_date(value):
    return struct("Date", **calendar_day(value))


def simplify_time(value):
    if value.tzinfo is not None:
        raise EncodeError("a time with a time zone has no form in Elixir")
    return struct("Time", calendar=ISO, **clock_time(value))


def simplify_datetime(value):
    if getattr(value, "nanosecond", 0):  # a Timestamp of pandas
        raise EncodeError("Elixir's times end at microseconds: round it first, as with timestamp.floor('us')")
    moment = {**calendar_day(value), **clock_time(value)}
    if value.tzinfo is None:
        return struct("NaiveDateTime", **moment)
    offset = value.utcoffset()
    if offset is None:
        raise EncodeError("a datetime whose time zone has no offset has no form in Elixir")
    standard = value.dst() or offset - offset
    return struct(
        "DateTime",
        **moment,
        **zone_names(value),
        utc_offset=whole_seconds(offset - standard),
        std_offset=whole_seconds(standard),
    )


def simplify_timedelta(value):
    if getattr(value, "nanoseconds", 0):  # a Timedelta of pandas
        raise EncodeError("Elixir's durations end at microseconds: round it first, as with timedelta.floor('us')")
    # A negative one has a negative number of days and no other; in Elixir all units of it are negative.
    sign = -1 if value.days < 0 else 1
    whole, microsecond = divmod(sign * ((value.days * 86400 + value.seconds) * 1000000 + value.microseconds), 1000000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    units = {"day": day, "hour": hour, "minute": minute, "second": second}
    return struct(
        "Duration",
        **{"year": 0, "month": 0, "week": 0},
        **{name: sign * count for name, count in units.items()},
        microsecond=(sign * microsecond, 6 if microsecond else 0),
    )


def simplify_zone(value):
    if value.key is None:
        raise EncodeError("a ZoneInfo without a key has no form in Elixir")
    return value.key


def whole_seconds(delta):
    if delta.microseconds:
        raise EncodeError(f"an offset from UTC of {delta} has no form in Elixir")
    return delta.days * 86400 + delta.seconds


def zone_names(value):
    from datetime import timezone

    # zoneinfo has the name as key, pytz as zone.
    zone = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "zone", None)
    if value.tzinfo is timezone.utc or zone in ("UTC", "Etc/UTC"):
        return {"time_zone": "Etc/UTC", "zone_abbr": "UTC"}
    name = value.tzname() or ""
    return {"time_zone": zone or name, "zone_abbr": name}


# By the names of types, as in structs.py.
simplifiers = {
    ("datetime", "datetime"): simplify_datetime,
    ("datetime", "date"): simplify_date,
    ("datetime", "time"): simplify_time,
    ("datetime", "timedelta"): simplify_timedelta,
    ("zoneinfo", "ZoneInfo"): simplify_zone,
}
