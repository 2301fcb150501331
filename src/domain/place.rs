//! Points on the earth, in degrees.

/// A point on the earth: latitude `-90..=90` and longitude `-180..=180`, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    latitude: f64,
    longitude: f64,
}

impl Place {
    /// The mean radius of the earth in kilometres (IUGG).
    const EARTH_RADIUS_KM: f64 = 6371.0088;

    /// A place; `None` when a coordinate is not finite or out of range.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude))
            .then_some(Self { latitude, longitude })
    }

    /// Reads `lat,long` (spaces allowed), the one form of a free-text location that names a point.
    #[must_use]
    pub fn parse(location: &str) -> Option<Self> {
        let (latitude, longitude) = location.split_once(',')?;
        Self::new(decimal_degrees(latitude)?, decimal_degrees(longitude)?)
    }

    /// Degrees north.
    #[must_use]
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    #[must_use]
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// The great-circle distance in kilometres, by the haversine formula.
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_latitude = ((to - from) / 2.0).sin();
        let half_longitude = ((other.longitude - self.longitude).to_radians() / 2.0).sin();
        let chord = half_latitude.mul_add(half_latitude, from.cos() * to.cos() * half_longitude * half_longitude);
        2.0 * Self::EARTH_RADIUS_KM * chord.min(1.0).sqrt().asin()
    }
}

/// A coordinate in plain decimal notation: `inf`, `nan` and words are no coordinates.
fn decimal_degrees(text: &str) -> Option<f64> {
    let text = text.trim();
    text.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b)).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_points() {
        assert_eq!(Place::parse("52.52, 13.405"), Place::new(52.52, 13.405));
        assert_eq!(Place::parse("-33.9,18.4"), Place::new(-33.9, 18.4));
        for text in ["Berlin, DE", "", ",", "91,0", "0,181", "inf,0", "nan,nan", "1,2,3"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn measures_the_great_circle() {
        let (berlin, paris) = (Place::new(52.52, 13.405).unwrap(), Place::new(48.8566, 2.3522).unwrap());
        assert!((berlin.distance_km(paris) - 877.5).abs() < 1.0);
        assert_eq!(berlin.distance_km(berlin), 0.0);
    }
}
