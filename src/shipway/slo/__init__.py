"""Error budgets: what a promise allows, what has been spent of it, and how fast. Pure functions; nothing here fetches.

Service levels are plain data (:mod:`shipway.render.slo.levels`); :mod:`shipway.slo.reading` reads them from files,
:mod:`shipway.slo.budget` judges counters by them.
"""
