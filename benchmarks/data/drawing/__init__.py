"""Drawing the catalogue: vector marks per article type, rasterised into small product photographs."""
