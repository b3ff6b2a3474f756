"""The marginal normal likelihood and its relatives: arrays in, arrays out; every model maximises one of these."""
