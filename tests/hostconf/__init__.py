"""hostconf in a namespace of its own: its "physical" interface is one end of a veth, the outside world the other."""
