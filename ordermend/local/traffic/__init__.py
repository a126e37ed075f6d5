"""Seeded demo traffic: documents as the sales channels send them, all of it invented.

Each channel module makes one document in its channel's documented shape: `order_document(rng, number, at)` a new
order, `update_document(rng, number, placed_at, at)` the same order restated. `schedule.plan` strings them into a
stream, `breakage.break_document` damages one. The same seed gives the same bytes, always.
"""
