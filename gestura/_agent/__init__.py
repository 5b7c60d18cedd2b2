"""The agent's turn: model, tools, model, … until the model has said what it had to say. The engine of `Client.run`."""
