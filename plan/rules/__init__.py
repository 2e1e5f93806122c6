"""What the parts of a stack file mean to each other: one module for each kind of rule, faults out.

Pure. Each rule judges whatever is sound of a draft, so that a fault in one place never hides a fault in another.
"""

from plan.jurisdiction import judge_places as judge_jurisdictions
from plan.rules.custody import judge_custody
from plan.rules.draft import Draft
from plan.rules.generations import judge_generations
from plan.rules.names import judge_names
from plan.rules.places import judge_places
from plan.rules.reach import judge_reach
from plan.rules.references import judge_references
from plan.rules.slots import judge_slots

__all__ = ["RULES", "Draft"]

RULES = (
    judge_names,
    judge_slots,
    judge_places,
    judge_references,
    judge_reach,
    judge_generations,
    judge_custody,
    judge_jurisdictions,
)
