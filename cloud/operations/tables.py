"""What background jobs did last."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class JobRun(Base):
    """The last run of a job: when by the machine's clock, whether it went well, what it says; `well` is when it last did."""

    __tablename__ = "job_runs"

    name: Mapped[str] = mapped_column(primary_key=True)
    started: Mapped[int] = mapped_column(BigInteger)
    finished: Mapped[int | None] = mapped_column(BigInteger)
    well: Mapped[int | None] = mapped_column(BigInteger)
    told: Mapped[str]
