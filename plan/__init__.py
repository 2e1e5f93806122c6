"""The pure room: the stack file as frozen models, then what should exist.

`load(config) -> Stack` collects every fault of a stack file and raises once; `make_plan(stack) -> Plan` decides
everything; `check(plan) -> findings` re-derives the safety properties from the finished plan and shares no code
with the planner.
"""

from plan.check import check
from plan.faults import Fault, StackError
from plan.load import load, located
from plan.model import Host, Plan
from plan.planner import make_plan
from plan.stack import Secrets, Stack

__all__ = ["Fault", "Host", "Plan", "Secrets", "Stack", "StackError", "check", "load", "located", "make_plan"]
