"""How the network of the pixel gate is made and measured. Not part of the running line: what the line needs is
`agent/imaging/gate.npz`."""
