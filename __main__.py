"""Farshore: shields before hidden origins, in different countries and accounts.

load → plan → check → build → export. Every decision is made in `plan`.
"""

import gc

import pulumi

from components import Deployment, find_standing, read_stack, refusing
from plan import check, make_plan

# A resource leaves hundreds of objects, all in use: with Python's own 700, half of a large preview is the collector's.
gc.set_threshold(50_000, 20, 20)

with refusing():
    stack, secrets = read_stack()
    plan = make_plan(stack)
    findings = check(plan)
    deployment = Deployment("farshore", plan=plan, findings=findings, secrets=secrets, standing=find_standing())

for name, value in deployment.exports.items():
    pulumi.export(name, value)
