"""HTTP over the service facade, on the controller's UNIX socket: one route per verb, one error shape. Started by ``cli.wiring``."""
