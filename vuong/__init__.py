"""The shared vocabulary of Vuông: quantities, readings, SenML, water chemistry, limits, texts. It depends on nothing."""
