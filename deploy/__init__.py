"""How chuishao is set up, started and looked after."""
