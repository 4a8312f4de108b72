"""The drawn catalogue's pencils: vector marks per article type, rasterised into small product photographs."""
