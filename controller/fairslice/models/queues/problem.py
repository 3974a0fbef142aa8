"""Problems of queues, as files and the command line ask them."""

from typing import Any, Literal

from pydantic import Field

from fairslice.models.problem import Count, ModelProblem, NotNegative
from fairslice.models.queues.erlang import erlang_b


class ErlangProblem(ModelProblem):
    """How many calls a group of servers turns away."""

    model: Literal["erlang"] = "erlang"
    offered: NotNegative = Field(description="Calls that come in the time that one takes, in erlang.")
    servers: Count = Field(description="How many calls are served at once.")

    def answer(self) -> dict[str, Any]:
        """See :class:`fairslice.models.problem.ModelProblem`."""
        return {"blocking": erlang_b(float(self.offered), self.servers)}
