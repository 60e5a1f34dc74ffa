"""What a container should request and may use at most, from what it has used: three recommenders behind one interface.

Used by ``shipway rightsize``. ``vpa`` and ``krr`` are the field's published algorithms; ``shipway`` is ours.
"""
