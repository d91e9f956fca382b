"""The ODE core: charges and fluxes, L-stable Runge-Kutta steps, a ladder of step sizes shared by a batch."""
