"""A world to deploy into: the cloud, the engine, the internet and the machines. Never imports the product."""
