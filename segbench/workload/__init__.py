"""From a case to something that runs: the network, a batch, the loss, the optimizer, one step."""
