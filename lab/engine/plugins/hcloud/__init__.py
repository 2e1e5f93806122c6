"""Stand-in for pulumi-resource-hcloud 1.43.3: Hetzner's Cloud API as Pulumi resources.

Two families behave differently, as in the original: *SDK* types compare field by field and read before and after an
update, *framework* types send one request and give no detail. `schema` names what each type takes, `plan` computes
what a change would lead to, `resources/` speaks to the API.
"""
