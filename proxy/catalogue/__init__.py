"""What is edited while Dashcam runs: providers, models, prices, routes and prompts, as values checked whole."""
