"""Where releases run: ``local`` (processes behind Envoy) and ``sim`` (a virtual cluster). Strangers to each other."""
