"""Leads that come in by themselves: by forms, webhooks and feeds.

What comes in is kept as it is, sealed, before anybody looks at it (`submitting`): that is all that a sender waits for.
The service then hears of it by an event of its own and judges it, many at once (`processing`). It becomes a lead, is
noted on the lead that is known, or waits to be corrected; it never gets lost.
"""
