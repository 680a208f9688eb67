"""Terms of the pretraining loss beyond plain classification: masked language modelling and adversarial smoothness."""
